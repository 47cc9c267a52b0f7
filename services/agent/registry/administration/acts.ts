import type { administrationApi } from "#shared/wire/administration-api.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";

/** The methods of administration, each one act of the calling administrator. */
export type Acts = Handlers<typeof administrationApi>;
