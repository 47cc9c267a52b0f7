import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { startCommand } from "#services/node-manager/backends/microvm/command.ts";
import { listenInside } from "#services/node-manager/backends/microvm/connection.ts";
import { FRAME, frame, words } from "#services/node-manager/backends/microvm/frames.ts";
import { AgentLink } from "#services/node-manager/backends/microvm/link.ts";
import { ROOT } from "#services/node-manager/backends/seed/login.ts";
import { fault } from "#test/contract/backend.ts";
import { type TemporaryDirectory, temporaryDirectory } from "#test/support/directory.ts";

const PREAMBLE_BYTES = 16_394;
const HEADER_BYTES = 9;
const NONCE_BYTES = 16;
const ACCOUNT = { login: ROOT, environment: {} };

/** Whoever has root in a microvm can speak in its agent's place: greet, and then say nothing, or anything. */
describe("an agent that is none of ours", () => {
  let lab: TemporaryDirectory;
  let agent: Socket | undefined;
  let server: ReturnType<typeof createServer>;
  let link: AgentLink;
  /** What it says when it was asked for something of that type, once. */
  let answers: Map<number, Buffer>;
  beforeEach(async () => {
    lab = await temporaryDirectory();
    answers = new Map();
    server = createServer((socket) => {
      agent = socket;
      let heard = Buffer.alloc(0);
      let greeted = false;
      socket.on("error", () => undefined);
      socket.on("data", (chunk) => {
        heard = Buffer.concat([heard, chunk]);
        const nonce = PREAMBLE_BYTES + HEADER_BYTES;
        if (heard.length < nonce + NONCE_BYTES) return;
        if (!greeted) socket.write(frame(FRAME.hello, 0, heard.subarray(nonce, nonce + NONCE_BYTES)));
        greeted = true;
        for (const [type, answer] of answers) {
          if (!heard.subarray(nonce + NONCE_BYTES + 1).includes(type)) continue;
          answers.delete(type);
          socket.write(answer);
        }
      });
    });
    server.listen(join(lab.path, "agent.sock"));
    await once(server, "listening");
    link = new AgentLink(lab.path, "agent.sock", 200);
  });
  afterEach(async () => {
    link.close();
    agent?.destroy();
    server.close();
    await lab[Symbol.asyncDispose]();
  });

  test("keeps nobody waiting for ever for a command, a count or a port", async () => {
    const late = fault("BACKEND_FAILED");
    await assert.rejects(startCommand(link, { argv: ["true"] }, ACCOUNT), late);
    for (let times = 0; times < 2; times++) await assert.rejects(link.countProcesses(), late);
    await assert.rejects(listenInside(link, 0), late);
  });

  test("gives no connection a channel that is another's", async () => {
    answers.set(FRAME.listen, frame(FRAME.started, 1, words(9000)));
    const port = await listenInside(link, 9000);
    const arrived: unknown[] = [];
    port.onConnection((socket) => arrived.push(socket));
    agent!.write(frame(FRAME.arrived, 1, words(1, 80, 0x0100_007f)));
    await port.closed; // nothing it says is believed any more
    assert.deepEqual(arrived, []);
  });
});
