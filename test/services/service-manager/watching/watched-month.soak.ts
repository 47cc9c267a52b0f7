import { test } from "node:test";
import { watchedFor } from "./watched-month.ts";

for (const seed of [1, 2, 3, Math.floor(Math.random() * 2 ** 32)])
  test(`nodes come and go for a month (seed ${seed}): a watched slice never has fewer slivers than it could, and leaves none behind`, () =>
    watchedFor(30, seed));
