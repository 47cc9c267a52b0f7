import assert from "node:assert/strict";
import { test } from "node:test";
import { type Credentials, SecureReader, type WebAnswer } from "../../../support/secure-web.ts";
import { nodeLab } from "../lab/node-lab.ts";
import { does } from "../lab/owner.ts";

async function read(url: URL, tls: Credentials): Promise<WebAnswer> {
  using reader = new SecureReader(tls);
  return await reader.read(url);
}

test("the page shows what is leased, on whose authority, and what is simulated", async () => {
  await using lab = await nodeLab();
  const { ticket } = await lab.root();
  const lease = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  const response = await fetch(lab.node.webUrl);
  assert.equal(response.status, 200);
  const page = await response.text();
  for (const part of [
    lease.slice,
    lease.sliver,
    ticket.issuer,
    lab.agent.identity,
    "simulated",
    "1 of 64",
    "debian-12",
  ]) {
    assert.ok(page.includes(part), part);
  }
  assert.ok(!page.includes(lease.principal), "whose it is stays unsaid");
  assert.match(page, /<svg class="timeline"/);
  const me = new URL("/me", lab.node.secureWebUrl);
  const own = await read(me, lab.credentials.alice);
  assert.equal(own.status, 200);
  assert.match(own.text, /What this node signed for/);
  assert.ok(own.text.includes(lease.sliver));
  const others = await read(me, lab.credentials.bob);
  assert.ok(others.status === 200 && !others.text.includes(lease.sliver));
  const refused = await read(me, { ca: lab.credentials.alice.ca });
  assert.equal(refused.status, 403);
  assert.match(refused.text, /200 NO_CERTIFICATE/);
  assert.equal((await fetch(new URL("/me", lab.node.webUrl))).status, 404);
  await lab.backend.ensure({ id: "00000000000000ff", slice: "x", resources: lease.resources, ceilings: {} });
  await lab.node.reconciler.pass();
  assert.match(await (await fetch(lab.node.webUrl)).text(), /Quarantine.*00000000000000ff/s);
});

test("whom the owner banned is told why; strangers read slices, and of principals how many", async () => {
  await using lab = await nodeLab();
  const lease = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  const page = async () => await (await fetch(lab.node.webUrl)).text();
  assert.doesNotMatch(await page(), /anned/);
  await does(lab, "ban", lease.slice, "--reason", "mining");
  await does(lab, "ban", lease.principal, "--reason", "rude");
  await does(lab, "suspend", lease.slice);
  const seen = await page();
  assert.match(seen, /Banned slices/);
  assert.match(seen, /owner has banned 1 principal\./);
  assert.ok(!seen.includes("mining") && !seen.includes(lease.principal));
  assert.match(seen, /class="bar-warn"[^>]*><title>[^<]*suspended/);
  const me = new URL("/me", lab.node.secureWebUrl);
  const own = (await read(me, lab.credentials.alice)).text;
  assert.match(own, /banned you since .*\(rude\)/);
  assert.match(own, new RegExp(`banned the slice ${lease.slice} since .*\\(mining\\)`));
  assert.doesNotMatch((await read(me, lab.credentials.bob)).text, /anned/);

  const pages = ["/slivers", "/holdings", "/audit"].map((path) => new URL(path, lab.node.secureWebUrl));
  const [slivers, holdings, audit] = await Promise.all(
    pages.map(async (page) => (await read(page, lab.administrator)).text),
  );
  assert.match(slivers!, new RegExp(`title="${lease.principal}"`), "administrators see whose it is");
  assert.match(slivers!, /suspended by the node&#39;s owner/);
  for (const reason of ["mining", "rude"]) assert.ok(slivers!.includes(reason));
  assert.match(holdings!, new RegExp(`title="${lab.agent.identity}"`));
  assert.match(audit!, new RegExp(`ban[^]*lease promised[^]*slice ${lease.slice}, lease ${lease.serial}`));
  for (const page of pages) {
    assert.equal((await read(page, lab.credentials.alice)).status, 403);
    assert.equal((await fetch(new URL(page.pathname, lab.node.webUrl))).status, 404);
  }
});

test("the page holds no script, loads nothing from elsewhere, stands in no frame and only answers GET", async () => {
  await using lab = await nodeLab();
  const response = await fetch(lab.node.webUrl);
  const policy = response.headers.get("content-security-policy")!;
  assert.match(policy, /default-src 'none'; style-src 'self'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.ok(!policy.includes("unsafe"));
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  const page = await response.text();
  assert.doesNotMatch(page, /<script(?! src="\/script\.js)|\son\w+=|style=|https?:\/\//);
  const style = await fetch(new URL("/style.css", lab.node.webUrl));
  assert.match(style.headers.get("content-type")!, /^text\/css/);
  assert.match(await style.text(), /prefers-color-scheme: dark/);
  for (const method of ["POST", "PUT", "DELETE"]) {
    assert.equal((await fetch(lab.node.webUrl, { method })).status, 404);
  }
  const elsewhere = await fetch(new URL("/../../etc/passwd", lab.node.webUrl));
  assert.equal(elsewhere.status, 404);
  assert.ok(elsewhere.headers.has("content-security-policy"));
});

test("/metrics is OpenMetrics: leases, what is leased of what there is, and what agents must still be told", async () => {
  await using lab = await nodeLab();
  await lab.root();
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  const answer = await fetch(new URL("/metrics", lab.node.webUrl));
  assert.match(answer.headers.get("content-type")!, /^application\/openmetrics-text; version=1\.0\.0/);
  const text = await answer.text();
  const of = (name: string) =>
    Number(text.match(new RegExp(`^slicelab_node_manager_${name} (.*)$`, "m"))?.[1]);
  assert.equal(of('leases{state="live"}'), 1);
  assert.equal(of("leased_slivers"), 1);
  assert.equal(of("capacity_slivers"), 64);
  assert.ok(of("leased_memory_bytes") > 0 && of("leased_memory_bytes") < of("capacity_memory_bytes"));
  assert.equal(of("clock_sure"), 1);
  assert.equal(of('engine_works{engine="simulated"}'), 1);
  assert.ok(of(`outbox{agent="${lab.agent.identity}"}`) >= 0);
  assert.match(text, /\n# EOF\n$/);
});
