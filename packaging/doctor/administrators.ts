import type { Report } from "./finding.ts";

/** Who sees everything on a service's pages, and the port where they could. */
type Administered = {
  readonly administrators?: readonly string[];
  /** Of its pages over TLS; absent: it has none. */
  readonly port?: number;
  /** What the port is called in its configuration. */
  readonly option: string;
  /** The service's own key, which is nobody's to look with. */
  readonly own?: string;
};

/** Whether those who administer a service can see what is theirs to see. */
export function checkAdministrators(
  report: Report,
  { administrators = [], port, option, own }: Administered,
): void {
  if (administrators.length === 0) return;
  if (own !== undefined && administrators.includes(own)) {
    const mend = "write the names of people's keys: slicelab authority show says that of a certificate";
    report.warning("administrators", "the service's own key is named as an administrator's", mend);
  } else if (port === undefined) {
    const mend = `write ${option}, where the pages are over TLS`;
    report.warning("administrators", "they are named, and there are no pages over TLS to see", mend);
  } else {
    report.well("administrators", `${administrators.length} see everything on its pages over TLS`);
  }
}
