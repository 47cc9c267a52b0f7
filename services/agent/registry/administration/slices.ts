import { refuseUnless } from "#shared/model/errors.ts";
import { formatInstant } from "#shared/model/time.ts";
import { MAX_LISTED } from "#shared/wire/administration-api.ts";
import { membershipOf } from "../../store/registry/slice-members.ts";
import { sliceNames } from "../../store/registry/slice-names.ts";
import { addMember, removeMember } from "../membership.ts";
import { type AdministeredBooks, done, officeOf } from "../office.ts";
import { transferSlice } from "../ownership.ts";
import type { Acts } from "./acts.ts";

type SliceActs = Pick<Acts, "listslices" | "addmember" | "removemember" | "listmembers" | "transferslice">;

export function sliceActs(books: AdministeredBooks): SliceActs {
  return {
    listslices: async ({ after = "", limit = MAX_LISTED }, call) => {
      const names = await officeOf(books, call).read((tx) => sliceNames(tx, after, limit, call.now));
      return names.map(({ name: slice, label: name, owner, since, nodes }) => ({
        ...{ slice, owner, name, nodes },
        since: formatInstant(since),
      }));
    },
    addmember: ({ slice, principal }, call) => done(addMember(officeOf(books, call), slice, principal)),
    removemember: ({ slice, principal }, call) => done(removeMember(officeOf(books, call), slice, principal)),
    listmembers: async ({ slice }, call) => {
      const membership = await officeOf(books, call).read((tx) => membershipOf(tx, slice, books.clock.now()));
      refuseUnless(membership, "NO_SLICE", `a slice called ${slice} does not exist here`);
      const { owner, members } = membership;
      return [owner, ...members].map((principal) => ({ principal, owner: principal === owner }));
    },
    transferslice: ({ slice, principal }, call) =>
      done(transferSlice(officeOf(books, call), slice, principal)),
  };
}
