import assert from "node:assert/strict";
import { test } from "node:test";
import { ANYWHERE } from "#shared/model/slice-description.ts";
import { readSliceDescription } from "#shared/wire/slice-description.ts";

const TWO_NODES = "<slice><name>web</name><nodes>2</nodes><lease_seconds>60</lease_seconds>";

test("which nodes will do is said by one element for each constraint", () => {
  const node = "a".repeat(64);
  const { where } = readSliceDescription(
    `${TWO_NODES}<where><avoid site="mars"/><site>oslo</site><site distinct="false"/><site>rome</site>
    <spread over="region"/><load atmost="0.75"/><include>${node}</include><avoid>10.0.0.2</avoid></where></slice>`,
  );
  assert.deepEqual(where, {
    ...ANYWHERE,
    sites: ["oslo", "rome"],
    spread: "region",
    maxLoad: 0.75,
    include: [node],
    avoid: ["10.0.0.2"],
    avoidSites: ["mars"],
  });
});

test("a constraint that says nothing, too much, or what nobody can keep is refused where it stands", () => {
  for (const [odd, sentence] of [
    ["<site/>", /column 80: <site>: it has distinct="true", or the name of a site; write <site distinct/],
    [`<site distinct="true">mit</site>`, /column 80: <site>: it has distinct="true", or the name/],
    [`<site distinct="true"/><site distinct="true"/>`, /column 103: <site>: distinct is said twice; leave/],
    [`<site>${"x".repeat(65)}</site>`, /column 80: <site>: a site's name has 1 to 64 characters/],
    [`<spread over="continent"/>`, /column 80: <spread>: it is one of site, country, region; write <spread/],
    ["<spread/>", /column 80: <spread> lacks its attributes; write <spread over="region"\/>/],
    ["<spread>site</spread>", /column 80: <spread> /],
    [
      `<load atmost="high"/>`,
      /column 80: <load>: "high" is no load: a number such as 2 or 0.75; write <load/,
    ],
    [`<load atleast="2"/>`, /column 80: <load> takes no atleast="…"; write <load atmost="2.5"\/>/],
    ["<include>mit</include>", /column 80: <include>: .*; write <include>10.0.0.1<\/include>, an address/],
    ["<include/>", /column 80: <include> is empty; write <include>/],
    ["<avoid/>", /column 80: <avoid>: it holds a node, or has site="…"; write <avoid>10.0.0.1/],
    [`<avoid node="10.0.0.1"/>`, /column 80: <avoid> takes no node="…"/],
    ["<country>de</country>", /<country> is not known in <where>; write .*<tag>/],
    [
      "<avoid>10.0.0.1</avoid><include>10.0.0.1</include>",
      /column 103: <include>: 10.0.0.1 is to be avoided/,
    ],
    [`<site>mit</site><avoid site="mit"/>`, /column 80: <site>: the site mit is to be avoided, too/],
    [
      "<include>10.0.0.1</include><include>10.0.0.2</include><include>10.0.0.3</include>",
      /column 134: <include>: 3 nodes are to be included, and only 2 asked for/,
    ],
  ] as const) {
    assert.throws(
      () => readSliceDescription(`${TWO_NODES}<where>${odd}</where></slice>`),
      (error: Error) => /^MALFORMED: line 1, /.test(error.message) && sentence.test(error.message),
      odd,
    );
  }
});

test("ports are asked for by number, or only how many", () => {
  const read = (ports: string) =>
    readSliceDescription(
      `<slice><name>web</name><nodes>1</nodes><lease_seconds>60</lease_seconds><ports>${ports}</ports></slice>`,
    );
  const mixed = read(
    `<port protocol="tcp" any="2"/><port protocol="udp" from="53" to="54"/><port any="3" protocol="tcp"/>`,
  );
  assert.deepEqual(mixed.ports, [{ protocol: "udp", from: 53, to: 54 }]);
  assert.deepEqual(mixed.anyPorts, { tcp: 5, udp: 0 }, "asked for twice is asked for both");
  assert.equal(read(`<port protocol="tcp" from="80" to="80"/>`).anyPorts, undefined);
  assert.equal(read("").anyPorts, undefined);
  for (const [odd, sentence] of [
    [`<port protocol="tcp" any="0"/>`, /any is 1 to 64 ports; write <port protocol="tcp" from/],
    [`<port protocol="tcp" any="65"/>`, /any is 1 to 64/],
    [`<port protocol="tcp" any="40"/><port protocol="tcp" any="40"/>`, /at most 64 ports of a protocol/],
    [`<port protocol="tcp" any="2" from="80" to="81"/>`, /or any="…" alone/],
    [`<port protocol="tcp" from="80"/>`, /from="…" and to="…"/],
    [`<port protocol="sctp" any="1"/>`, /tcp or udp/],
    [`<port any="1"/>`, /<port> lacks protocol="…"/],
    [`<port protocol="tcp" from="0" to="1"/>`, /1 to 65535/],
  ] as const) {
    assert.throws(
      () => read(odd),
      (error: Error) => /^MALFORMED: line 1, /.test(error.message) && sentence.test(error.message),
      odd,
    );
  }
});
