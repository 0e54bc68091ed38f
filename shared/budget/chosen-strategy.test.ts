/** A request that names the strategy which decides about it, where the policy of its node lets it. */
import { describe, expect, test } from "vitest";
import { conflictOf, refusalOf, Scenario } from "./scenario.test-support.ts";

describe("a request that names its own strategy", () => {
  test("may do so only where the policy lets it", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10 });
    const wish = s.openWish(account, { strategy: "QUEUE_AND_WAIT" });
    expect(refusalOf(s.grant(wish))).toMatchObject({ code: "not_permitted" });
  });

  test("and once for a request: with another strategy it is another request", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10 }, { requestMayChoose: true });
    s.open(account, { limits: { credits: 8 } });
    const wish = {
      ...s.openWish(account, { limits: { credits: 5 }, waitMs: 60_000 }),
      strategy: "QUEUE_AND_WAIT" as const,
    };
    expect(s.grant(wish)).toMatchObject({ type: "queued" });
    expect(s.grant(wish)).toMatchObject({ type: "queued" });
    for (const strategy of ["PRIORITY_BASED", undefined] as const) {
      expect(refusalOf(s.grant({ ...wish, strategy }))).toMatchObject({ code: "request_reused" });
    }
  });

  test("waits where others are denied, and nobody who comes later takes its place", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10 }, { requestMayChoose: true });
    const child = s.open(account, { limits: { credits: 8 } });
    const wish = s.openWish(account, { limits: { credits: 5 }, strategy: "QUEUE_AND_WAIT", waitMs: 60_000 });
    expect(conflictOf(s.grant(wish)).position).toBe(1);
    expect(conflictOf(s.grant(s.openWish(account, { limits: { credits: 2 } })))).toMatchObject({ available: 2 });
    s.close(child);
    const decided = s.last.messages.filter(({ type }) => type === "decided");
    expect(decided).toMatchObject([{ requestId: wish.requestId, outcome: { type: "opened" } }]);
  });
});
