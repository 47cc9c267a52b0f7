import { test } from "node:test";
import { policyLab } from "./policy-lab.ts";
import { begin, checkDecisions, checkMatrix } from "./policy-matrix.ts";

test("the whole matrix, also where one refusal hides another", async () => {
  await using lab = await policyLab();
  await begin(lab);
  await checkMatrix(lab, { whole: true });
  await checkDecisions(lab, { whole: true });
});
