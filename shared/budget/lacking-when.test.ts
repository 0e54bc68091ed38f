/** Who is preempted where slots are reserved for later: nobody who has left by then anyway, and nobody before all that is needed can be had. */
import { describe, expect, test } from "vitest";
import { Reserver } from "./reserving.test-support.ts";
import { limits } from "./scenario.test-support.ts";

const POLICY = {
  strategy: "PREEMPTION_ALLOWED",
  preemption: { worst: "STOP", protectMs: 0, coolDownMs: 0, worthPercentMin: 0 },
} as const;

/** Ten slots, six of them reserved from the fifth second on; a step takes one for itself. */
function reserved() {
  const s = new Reserver();
  const top = s.account({ branches: 10 }, POLICY);
  s.ahead(top, "r", { branches: 6 }, { startsInMs: 5_000 });
  const work = (name: string, slots: number, durationMs?: number) => {
    const asked = limits({ branches: slots - 1, ...(durationMs !== undefined && { durationMs }) });
    expect(s.want(top, name, {}, { priority: "LOW", limits: asked }).type).toBe("opened");
    // All of it is in use.
    if (slots > 1) s.want(name, `${name}-inner`, {}, { limits: limits({ branches: slots - 2 }) });
  };
  const claim = (slots: number, waitMs = 60_000) =>
    s.want(top, "claim", {}, { priority: "HIGH", limits: limits({ branches: slots - 1 }), waitMs });
  const given = () =>
    s.events.flatMap((event) =>
      event.type === "reclaim_requested" && event.mode === "STOP" ? [event.allocationId] : [],
    );
  return { s, work, claim, given };
}

describe("a claim of slots beside a reservation", () => {
  test("has work give way that would be there at the beginning, not what has ended by then", () => {
    const { s, work, claim, given } = reserved();
    work("stays", 3);
    work("ends", 3, 4_000);
    expect(claim(3).type).toBe("opened");
    expect(given()).toEqual(["stays"]);
    s.wait(4_000);
    expect(s.node("ends").state).toBe("closed");
    s.wait(1_000);
    expect(s.missing("r").branches).toBe(0);
  });

  test("has nobody give way where what would end by itself is all that could", () => {
    const { work, claim, given } = reserved();
    work("ends", 3, 4_000);
    expect(claim(5).type).toBe("queued");
    expect(given()).toEqual([]);
  });

  test("takes what is lacking only now of whoever is cheapest, once what is lacking later is there", () => {
    const { s, work, claim, given } = reserved();
    work("stays", 2);
    work("ends", 6, 4_000);
    expect(claim(4).type).toBe("opened");
    expect(given()).toEqual(["stays"]);
    expect(s.state.allocations.get("ends")?.state).toBe("open");
  });

  test("is asked for at both times before anybody gives way", () => {
    const { work, claim, given } = reserved();
    work("stays", 2);
    work("ends", 7, 4_000);
    // Four are free at the beginning when both are gone.
    expect(claim(5).type).toBe("queued");
    expect(given()).toEqual([]);
    expect(claim(4, 0).type).toBe("refused");
  });
});
