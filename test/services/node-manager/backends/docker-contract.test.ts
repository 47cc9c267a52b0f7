import { after } from "node:test";
import { backendContract } from "#test/contract/backend.ts";
import { dockerIfPossible } from "#test/support/docker-daemon.ts";
import { dockerBench } from "./docker-bench.ts";

const { daemon, skip } = await dockerIfPossible();
backendContract("docker", () => dockerBench(daemon!), { skip });
after(() => daemon?.[Symbol.asyncDispose]());
