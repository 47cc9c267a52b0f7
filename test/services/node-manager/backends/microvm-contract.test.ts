import { backendContract } from "#test/contract/backend.ts";
import { microvmBench, withoutMicrovms } from "./microvm-bench.ts";

backendContract("microvm", microvmBench, { skip: await withoutMicrovms(), many: 3 });
