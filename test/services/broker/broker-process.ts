import { loadBrokerConfig } from "#services/broker/config.ts";
import { startBroker } from "#services/broker/service.ts";
import { runService } from "#shared/runtime/lifecycle.ts";
import { fixedClock } from "../../support/clock.ts";
import { NOW } from "../../support/documents.ts";

/** A broker as a process that can be killed, at the time at which the agents of tests live. */
await runService("broker", ({ log }) =>
  startBroker(loadBrokerConfig(process.argv[2], {}), { clock: fixedClock(NOW), log }),
);
