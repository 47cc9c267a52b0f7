import { test } from "node:test";
import { policyLab } from "./policy-lab.ts";
import { begin, checkDecisions, checkMatrix } from "./policy-matrix.ts";

test("every limit, of whom, at it and beside it, for every type, role and state: the transaction and what decides before it agree", async () => {
  await using lab = await policyLab();
  await begin(lab);
  await checkMatrix(lab, { whole: false });
  await checkDecisions(lab, { whole: false });
});
