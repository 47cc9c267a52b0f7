import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { Fault } from "#shared/model/errors.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { contract, method } from "#shared/wire/xmlrpc/contract.ts";
import { decodeResponse } from "#shared/wire/xmlrpc/decode.ts";
import { dispatcher, EncodedReply, type Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { encodeCall } from "#shared/wire/xmlrpc/encode.ts";
import type { ReplyFinder, ReplyToKeep } from "#shared/wire/xmlrpc/replay.ts";

const options = { clock: { now: () => 0 }, log: silentLog() };
const alice = { name: "a".repeat(64), sha1: "", key: undefined as never };

test("a contract that could not be kept is refused where it is written", () => {
  const plain = method({ result: z.string(), help: "", plain: true, mutates: true });
  const taken = method({ params: z.object({ request_id: z.string() }), result: z.string(), help: "" });
  const fine = method({ result: z.string(), help: "" });
  assert.throws(() => contract({ plain }), /plain: a plain method cannot mutate/);
  assert.throws(() => contract({ taken }), /request_id/);
  assert.throws(() => contract({ "system.fine": fine }), /system\./);
  assert.throws(
    () =>
      dispatcher(
        contract({ m: method({ result: z.int(), help: "", mutates: true }) }),
        { m: () => 1 },
        options,
      ),
    /needs a place for its replies/,
  );
});

test("a handler gets what the schema makes of its parameters", async () => {
  const api = contract({
    m: method({
      params: z.object({ at: z.string().transform((text) => text.length), n: z.int().default(7) }),
      result: z.array(z.int()),
      help: "",
    }),
  });
  const dispatch = dispatcher(api, { m: ({ at, n }) => [at, n] }, options);
  assert.deepEqual(decodeResponse(await dispatch(encodeCall("m", [{ at: "four" }]), alice)), {
    value: [4, 7],
  });
});

test("a reply encoded before is sent as it is", async () => {
  const api = contract({ m: method({ result: z.array(z.int()), help: "" }) });
  const reply = new EncodedReply([1, 2, 3]);
  const dispatch = dispatcher(api, { m: () => reply }, options);
  assert.equal(await dispatch(encodeCall("m", []), alice), reply.bytes);
});

test("a method both plain and mutating serves strangers, who have no request_id", async () => {
  const api = contract({
    m: method({ result: z.boolean(), help: "", plain: true, mutates: true, mixed: true }),
  });
  const replies = { findReply: () => undefined };
  const dispatch = dispatcher(api, { m: (_, { peer }) => peer !== null }, { ...options, replies });
  const answerTo = async (params: unknown[], peer: typeof alice | null) =>
    decodeResponse(await dispatch(encodeCall("m", params), peer));
  assert.deepEqual(await answerTo([], null), { value: false });
  assert.deepEqual(await answerTo([{ request_id: "1" }], alice), { value: true });
  assert.ok("fault" in (await answerTo([{ request_id: "1" }], null)));
});

test("a refusal is told before it is answered, and only then", async () => {
  const api = contract({ m: method({ result: z.string(), help: "" }) });
  const told: string[] = [];
  let failing = false;
  const onRefusal = async (fault: Fault, { method }: { method: string }) => {
    told.push(`${fault.name} ${method}`);
    if (failing) throw new Fault("STORE_DOWN", "the audit cannot be written; try again");
  };
  const dispatch = dispatcher(api, { m: () => "done" }, { ...options, onRefusal });
  const code = async (body: Buffer, peer: typeof alice | null) => {
    const answer = decodeResponse(await dispatch(body, peer));
    return "fault" in answer ? answer.fault.code : undefined;
  };
  assert.equal(await code(encodeCall("m", []), alice), undefined);
  assert.equal(await code(encodeCall("m", []), null), 200);
  assert.equal(await code(Buffer.from("nonsense"), alice), 100);
  assert.equal(await code(encodeCall("constructor", []), alice), 102);
  failing = true;
  assert.equal(await code(encodeCall("m", [7]), alice), 600);
  assert.deepEqual(told, ["NO_CERTIFICATE m", "MALFORMED ", "NO_METHOD ", "MALFORMED m"]);
});

test("an answer that its store makes again is not kept, only what was asked", async () => {
  const api = contract({ m: method({ result: z.array(z.int()), help: "", mutates: true }) });
  const kept: Omit<ReplyToKeep, "reply">[] = [];
  const replies: ReplyFinder = {
    findReply: () =>
      kept[0] && { argumentsHash: kept[0].argumentsHash, reply: new EncodedReply([1, 2]).bytes },
  };
  const handlers: Handlers<typeof api> = {
    m: (_, { replay }) => {
      replay?.rememberRemade(60, (row) => kept.push(row));
      return [1, 2];
    },
  };
  const dispatch = dispatcher(api, handlers, { ...options, replies });
  const call = encodeCall("m", [{ request_id: "1" }]);
  assert.deepEqual(await dispatch(call, alice), await dispatch(call, alice));
  assert.equal(kept.length, 1);
  assert.equal("reply" in kept[0]!, false);
});

test("the types hold handlers to the contract", () => {
  const api = contract({
    secret: method({ result: z.string(), help: "" }),
    open: method({ result: z.array(z.string()), help: "", plain: true }),
  });
  const handlers: Handlers<typeof api> = {
    secret: (_, { peer }) => peer.name,
    // @ts-expect-error: on the plain port nobody has a key
    open: (_, { peer }) => [peer.name],
  };
  // @ts-expect-error: a number is not what was promised
  const wrong: Handlers<typeof api>["secret"] = () => 7;
  assert.ok(handlers && wrong);
});
