import { readFile } from "node:fs/promises";
import type { Authority } from "#services/authority/authority.ts";
import { writeResearcherConfig } from "./configuration.ts";
import { type Enrolled, enrolOnTestbed } from "./identities.ts";
import type { Layout, PEOPLE } from "./layout.ts";
import type { AgentPart } from "./parts/agent-part.ts";
import type { BrokerPart } from "./parts/broker-part.ts";

/** Somebody enrolled on the testbed, whose home the `slice` command can use (SLICELAB_HOME). */
export type Person = { readonly name: string; readonly enrolled: Enrolled; readonly home: string };

type Terms = {
  who: (typeof PEOPLE)[number];
  layout: Layout;
  authority: Authority;
  agent: Pick<AgentPart, "registry" | "identity" | "addresses">;
  broker?: Pick<BrokerPart, "identity" | "addresses">;
};

/** Enrols a person, registers them with the agent, and gives them a home. */
export async function settlePerson({ who, layout, authority, agent, broker }: Terms): Promise<Person> {
  const { name, role } = who;
  const home = layout.principal(name);
  const enrolled = await enrolOnTestbed(authority, home, name, "client");
  if (!(await agent.registry.knows(enrolled.sha256))) {
    await agent.registry.addPrincipal({
      label: name,
      role,
      certificate: await readFile(enrolled.cert, "utf8"),
    });
  }
  await writeResearcherConfig(home, {
    enrolled,
    agent: { identity: agent.identity, url: agent.addresses.tls },
    broker: broker && { identity: broker.identity, url: broker.addresses.tls },
  });
  return { name, enrolled, home };
}
