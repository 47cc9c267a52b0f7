import { test } from "node:test";
import { watchedFor } from "./watched-month.ts";

test("nodes come and go for days: a watched slice never has fewer slivers than it could, and leaves none behind", () =>
  watchedFor(2, 1));
