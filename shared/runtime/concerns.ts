import { systemClock } from "./clock.ts";
import type { Log } from "./log.ts";

const DAY_MS = 86_400_000;

/**
 * Logs what an operator should look after without anything having failed yet, such as a certificate that ends soon: now,
 * and once a day for as long as it lasts.
 */
export function startConcerns(log: Log, look: (now: Date) => readonly string[]): Disposable {
  const clock = systemClock();
  const tell = () => {
    for (const concern of look(new Date(clock.milliseconds()))) log.warn(concern);
  };
  tell();
  const daily = setInterval(tell, DAY_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(daily) };
}
