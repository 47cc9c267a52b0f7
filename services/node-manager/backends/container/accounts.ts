import { lstatSync } from "node:fs";
import { refuseUnless } from "#shared/model/errors.ts";
import { pathInImage } from "../images/image-files.ts";

/** What runc opens, as the sliver sees it, before the sliver's first process is there. */
const READ_BY_RUNC = ["etc/passwd", "etc/group"];

/**
 * Refuses to start over a disk on which a sliver's root has put a pipe or a device where accounts are told: runc would
 * open it and wait, and hold up the starts of others meanwhile. `root` is the mounted disk, with nothing running in it.
 */
export function checkAccounts(root: string): void {
  for (const path of READ_BY_RUNC) {
    const place = pathInImage(root, path);
    const stats = place === undefined ? undefined : lstatSync(place, { throwIfNoEntry: false });
    refuseUnless(
      !stats || stats.isFile() || stats.isDirectory(),
      "BACKEND_FAILED",
      `the sliver's /${path} is no file, so that nothing can start there; delete the slice and create it again`,
    );
  }
}
