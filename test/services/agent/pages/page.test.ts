import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { holdingsPage } from "#services/agent/pages/holdings-page.ts";
import { DAY, NOW } from "../../../support/documents.ts";
import { agentLab } from "../agent-lab.ts";

/** The status of a request whose Host header says something else than its address. */
function statusFor(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.on("error", reject).end();
  });
}

test("the page shows what is held, used and free, and where slices are, not whose", async () => {
  await using lab = await agentLab({ share: { slivers: 8 } });
  const [node, other] = lab.nodes;
  await lab.alice.client.newtickets({
    slice: "oceanstore",
    ntickets: 2,
    leaselen: DAY,
    ips: [node.ip, other.ip],
  });
  const answer = await fetch(lab.agent.announce.web);
  const page = await answer.text();
  assert.equal(answer.status, 200);
  assert.match(page, /10\.77\.0\.1/);
  assert.match(page, /1 \/ 8 /);
  assert.match(page, /oceanstore/);
  assert.match(page, /simulated/);
  assert.ok(!page.includes("alice") && !page.includes(lab.alice.name));
});

test("nothing on it runs, is framed, or comes from elsewhere", async () => {
  await using lab = await agentLab();
  const { web } = lab.agent.announce;
  const answer = await fetch(web);
  const policy = answer.headers.get("content-security-policy")!;
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.ok(!policy.includes("unsafe"));
  const page = await answer.text();
  assert.ok(!/<script|style=|\son\w+=|https?:\/\//.test(page));
  assert.equal((await fetch(new URL("/style.css", web))).status, 200);
});

test("it is there to be read: other methods, places and hosts get nothing", async () => {
  await using lab = await agentLab();
  const { web } = lab.agent.announce;
  for (const method of ["POST", "PUT", "DELETE"]) {
    assert.equal((await fetch(web, { method })).status, 404);
  }
  assert.equal((await fetch(new URL("/../etc/passwd", web))).status, 404);
  assert.equal(await statusFor(web, "evil.example"), 421);
  assert.equal(await statusFor(web, new URL(web).host), 200);
});

test("whatever a name says, it is only text", () => {
  const nasty = `"><script>alert('1')</script>&`;
  const share = { cpuMillis: 1, memoryMib: 1, diskMib: 1, egressKbps: 1, slivers: 1 };
  const ad = {
    ...{
      node: nasty,
      ip: nasty,
      site: nasty,
      tags: [],
      engines: [nasty],
      images: [nasty],
      abilities: [],
      simulated: false,
    },
    ...{ resources: share, free: share, until: NOW, heard: NOW - 600, monitored: NOW, load: 1, cpus: 2 },
  };
  const conditions = [{ node: nasty, memoryAvailableMib: 5, booted: NOW - 60, manager: NOW - 600 }];
  const monitor = { name: nasty, answered: 1, failed: 1, lastAnswer: NOW - 60, hosts: 1, nodes: 1 };
  const monitors = [{ ...monitor, lastFailure: NOW, failure: nasty }];
  const slice = { slice: nasty, nodes: 1, issued: 0, redeemed: 0, until: NOW };
  const common = { now: NOW, agent: nasty, version: nasty, overbooking: 1000, limit: 500 };
  const page = holdingsPage({ ...common, ads: [ad], conditions, monitors, slices: [slice] });
  assert.ok(!page.includes("<script>") && !page.includes("'1'"));
  assert.match(page, /&quot;&gt;&lt;script&gt;/);
  assert.match(page, /1\.00 \/ 2/);
  assert.match(page, /up 1 min, 5 MiB unused/);
  assert.match(page, /the machine is up, its node manager was seen 10 min ago/);
});
