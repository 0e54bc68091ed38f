import { expect, it } from "vitest";
import { checkGrantor } from "./take-grant.ts";

it("takes a new grant only from the life of the grantor that has welcomed this daemon", () => {
  expect(() => checkGrantor({ incarnation: "now" }, "now")).not.toThrow();
  expect(() => checkGrantor(undefined, "")).not.toThrow();
  for (const welcomedBy of [undefined, { incarnation: "before" }]) {
    expect(() => checkGrantor(welcomedBy, "now")).toThrow(
      expect.objectContaining({ refusal: expect.objectContaining({ reason: "NOT_WELCOMED", retryAfterMs: 100 }) }),
    );
  }
});
