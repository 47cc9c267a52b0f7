import { InvalidArgumentError } from "commander";
import { CAPABILITIES, type Capability, isCapability } from "#shared/model/capability.ts";

/** Another value of an option that may be given several times. */
export function collect(value: string, earlier: readonly string[]): string[] {
  return [...earlier, value];
}

/** Another capability, by its name. */
export function collectCapability(value: string, earlier: readonly Capability[]): Capability[] {
  if (isCapability(value)) return [...earlier, value];
  throw new InvalidArgumentError(`It is one of ${CAPABILITIES.join(", ")}.`);
}

/** A whole number above 0. */
export function positive(value: string): number {
  if (/^[1-9][0-9]{0,11}$/.test(value)) return Number(value);
  throw new InvalidArgumentError("Give a whole number above 0.");
}

/** A whole number, also 0. */
export function amount(value: string): number {
  return value === "0" ? 0 : positive(value);
}

/** Degrees of latitude or longitude. */
export function degrees(value: string): number {
  if (/^-?\d{1,3}(\.\d{1,10})?$/.test(value)) return Number(value);
  throw new InvalidArgumentError("Give degrees, such as 40.35 or -74.66.");
}
