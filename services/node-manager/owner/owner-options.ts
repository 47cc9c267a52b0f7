import type { Command } from "commander";
import { outputOption } from "#shared/runtime/listing.ts";
import type { OwnerClient } from "./owner-desk.ts";

const CONFIG = "/etc/slicelab/node-manager.toml";

/** Every command can be told where the node manager's configuration is. */
export type OwnerOptions = { readonly config: string };

/** Does `work` as the owner of the node that the options mean. */
export type AtNode = (options: OwnerOptions, work: (api: OwnerClient) => Promise<void>) => Promise<void>;

/** A command with the options that all of them have. */
export function ownerSubcommand(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .option("--config <file>", "the node manager's configuration", CONFIG);
}

export function withOutput(command: Command): Command {
  return command.addOption(outputOption(["table", "wide", "json"]));
}
