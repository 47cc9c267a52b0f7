import { backendContract } from "#test/contract/backend.ts";
import { containerBench, engineProbe } from "./container-bench.ts";

const probe = await engineProbe();
backendContract("container", containerBench, { skip: !probe.ok && probe.reason });
