import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { silentLog } from "#shared/runtime/log.ts";
import { contract, method } from "#shared/wire/xmlrpc/contract.ts";
import { decodeResponse } from "#shared/wire/xmlrpc/decode.ts";
import { dispatcher, EncodedReply, type Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { encodeCall } from "#shared/wire/xmlrpc/encode.ts";

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
