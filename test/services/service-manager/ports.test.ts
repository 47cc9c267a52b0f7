import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { sliceLab } from "./slice-lab.ts";

const DAY = 86_400;
const tcp = (from: number, to = from) => ({ protocol: "tcp", from, to });

type Document = { readonly nodes: readonly { readonly ip: string; readonly ports: object[] }[] };

test("a researcher asks for ports, sees which they are, and keeps them for as long as the slice is renewed", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  const [one, two] = lab.nodes;
  const created = await lab.slice("create", "web", "--nodes", one!.ip, "--port", "any:2", "-o", "json");
  assert.equal(created.code, 0, created.err);
  const ports = [tcp(1024, 1025)];
  assert.deepEqual((JSON.parse(created.out) as Document).nodes[0]?.ports, ports);
  assert.deepEqual([...one!.backend.slivers.values()][0]?.ports, ports, "the engine is told");

  const description = join(lab.files, "other.xml");
  await writeFile(
    description,
    `<slice><name>other</name><nodes>2</nodes><lease_seconds>86400</lease_seconds>
      <ports><port protocol="tcp" any="1"/></ports></slice>`,
  );
  const { code, err } = await lab.slice("create", description);
  assert.equal(code, 0, err);
  const status = await lab.slice("status", "other");
  assert.match(status.out, /PORTS/);
  assert.match(status.out, /tcp 1026 /);
  const list = (await lab.slice("list")).out;
  assert.match(list, new RegExp(`tcp 1026 → ${one!.ip}`));
  assert.match(list, new RegExp(`tcp 1024 → ${two!.ip}`));
  assert.match(list, /tcp 1024-1025 /, "no addresses where all nodes have the same");
  const [other] = JSON.parse((await lab.slice("list", "-o", "json")).out);
  assert.deepEqual(other.ports.map(({ ip, from }: { ip: string; from: number }) => `${ip} ${from}`).sort(), [
    `${one!.ip} 1026`,
    `${two!.ip} 1024`,
  ]);

  for (let renewals = 1; renewals <= 3; renewals++) {
    assert.equal((await lab.slice("renew", "web")).code, 0);
    lab.clock.advance(DAY / 2);
  }
  const lease = (await one!.leases()).find(({ slice }) => slice === "web");
  assert.equal(lease!.term.end - lease!.term.start, 4 * DAY, "further than its first ticket");
  assert.deepEqual(lease!.ports, ports);
});

test("a port that is no port is told before anybody is asked, one that is taken by whom it is asked of", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  for (const odd of ["http", "0", "70000", "90-80", "tcp:any:99", "sctp:80"])
    assert.equal((await lab.slice("create", "web", "--port", odd)).code, 2, odd);
  assert.equal((await lab.slice("create", "web", "--port", "8080")).code, 0);
  const taken = await lab.slice("create", "two", "--port", "8080");
  assert.equal(taken.code, 6);
  assert.match(taken.err, /has given tcp 8080 to another slice/);
  assert.match((await lab.slice("create", "two", "--port", "80")).err, /tcp 80, a privileged port/);
});
