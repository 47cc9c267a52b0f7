import type { SigningKey } from "#shared/identity/signature.ts";
import type { FaultName } from "#shared/model/errors.ts";
import { sealBody } from "#test/support/documents.ts";
import type { Vector } from "./vector.ts";

/** Makes vectors of bodies that the holder of `key` signs, unless it says otherwise. */
export function sealedWith(key: SigningKey, given: Vector["given"]) {
  return {
    taken(name: string, body: string, why: string): Vector {
      const { text, id } = sealBody(Buffer.from(body), key);
      return { name, text, why, given, id };
    },

    refused(
      name: string,
      body: string,
      why: string,
      fault: FaultName = "MALFORMED",
      by: SigningKey = key,
    ): Vector {
      return { name, text: sealBody(Buffer.from(body), by).text, why, fault, given };
    },
  };
}
