import { describe, it } from "vitest";
import { expectClean, numbersFrom } from "./seeds.fixture.ts";

describe("simulated meshes", () => {
  it.each(numbersFrom(1, 35))("keep every promise with seed %i", (seed) => expectClean(seed), 60_000);
});
