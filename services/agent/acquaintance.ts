import type { KeyName } from "#shared/identity/key.ts";
import type { Queries } from "#shared/runtime/database.ts";
import type { Acquaintance } from "#shared/web/viewer.ts";
import { principalNamed } from "./store/registry/principals.ts";

/** What an agent shows whoever holds a key, by what that key is here at this moment. */
export async function acquaintanceOf(queries: Queries, name: KeyName): Promise<Acquaintance> {
  const principal = await principalNamed(queries, name);
  if (!principal) {
    return {
      audience: "public",
      reason: "300 NOT_PRINCIPAL: this agent does not know your key; ask its administrator to add you",
    };
  }
  const { label, role, suspended } = principal;
  // Whoever is suspended sees why nothing more is issued, and administers nothing.
  return { label, audience: role === "administrator" && !suspended ? "administrator" : "principal" };
}
