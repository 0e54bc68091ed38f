/** Requests that would wait for each other for ever, by example. */
import { describe, expect, test } from "vitest";
import { lastOnCircles } from "./access-circles.ts";
import { evolve } from "./evolve.ts";
import { alone, Names, shared } from "./naming.test-support.ts";
import { conflictWords } from "./refusal-words.ts";
import { conflictOf } from "./scenario.test-support.ts";
import { snapshotParts } from "./snapshot.ts";
import { restoreState } from "./snapshot-restore.ts";

describe("circles", () => {
  function twoBranches(): Names {
    const n = new Names();
    for (const branch of ["x", "y"]) n.hold(n.account, branch, alone(`${branch}-name`), { kind: "branch" });
    return n;
  }

  test("two who hold what the other wants: the second is refused by name", () => {
    const n = twoBranches();
    n.waits("x", "x1", alone("y-name"));
    const conflict = conflictOf(n.ask("y", "y1", shared("x-name")));
    expect(conflict.access?.circle).toBe(
      "account-1/y/y1 waits for x-name, which account-1/x holds; account-1/x/x1 waits for y-name, which account-1/y holds",
    );
    expect(conflictWords(conflict)).toContain("waiting for it would never end: account-1/y/y1 waits for x-name");
    // Without waiting it is refused as usual, and when the other gives up it may wait.
    expect(conflictOf(n.ask("y", "y1", shared("x-name"), { waitMs: 0 })).access?.circle).toBeUndefined();
    n.s.ask({ type: "cancel_request", caller: "client", requestId: "x1" });
    n.waits("y", "y1", shared("x-name"));
  });

  test("of three, and below what holds the name", () => {
    const n = twoBranches();
    n.hold(n.account, "z", alone("z-name"), { kind: "branch" });
    n.hold("x", "inner", [], { kind: "branch" });
    n.waits("inner", "x1", alone("y-name"));
    n.waits("y", "y1", alone("z-name"));
    expect(conflictOf(n.ask("z", "z1", alone("x-name"))).access?.circle).toBe(
      "account-1/z/z1 waits for x-name, which account-1/x holds; account-1/x/inner/x1 waits for y-name, which account-1/y holds; account-1/y/y1 waits for z-name, which account-1/z holds",
    );
  });

  test("through the line: who has its turn before and waits for what the newcomer's own hold keeps", () => {
    const n = new Names();
    n.hold(n.account, "x", shared("db"), { kind: "branch" });
    n.hold(n.account, "y", alone("browser"), { kind: "branch" });
    n.waits(n.account, "first", [...alone("db"), ...alone("browser")]);
    const conflict = conflictOf(n.ask("y", "y1", shared("db")));
    expect(conflict.access?.circle).toBe(
      "account-1/y/y1 waits for db, for which account-1/first has its turn before; account-1/first waits for browser, which account-1/y holds",
    );
  });

  test("one who comes with a better turn, and would make a waiting one wait for itself", () => {
    const n = new Names({ strategy: "PRIORITY_BASED" });
    n.hold(n.account, "x", alone("m"), { kind: "branch" });
    n.hold(n.account, "k", alone("n"));
    n.waits("x", "x1", alone("n"));
    const conflict = conflictOf(n.ask(n.account, "first", alone("m", "n"), { priority: "HIGH" }));
    expect(conflict.access?.circle).toBe(
      "account-1/first waits for m, which account-1/x holds; account-1/x/x1 waits for n, for which account-1/first has its turn before",
    );
    // Behind it, it may wait.
    n.waits(n.account, "last", alone("m", "n"));
  });

  test("a change of the order closes one: who came last of those who wait for each other is refused, and the others go on", () => {
    const n = new Names();
    n.hold(n.account, "x", alone("m"), { kind: "branch" });
    n.hold(n.account, "k", alone("n"));
    n.waits("x", "x1", alone("n"));
    n.waits(n.account, "last", alone("m", "n"), { priority: "HIGH" });
    n.waits(n.account, "later", alone("m"), { priority: "HIGH" });
    const which = { caller: "person", requestId: "order", allocationId: n.account, limits: {} };
    n.s.expect("updated", { type: "update_limits", ...which, strategy: "PRIORITY_BASED" });
    const told = n.s.last.messages.filter(({ type }) => type === "decided");
    expect(told).toMatchObject([{ requestId: "last", outcome: { type: "refused" } }]);
    expect(told[0]?.type === "decided" && conflictOf(told[0].outcome).access?.circle).toBe(
      "account-1/last waits for m, which account-1/x holds; account-1/x/x1 waits for n, for which account-1/last has its turn before",
    );
    expect(n.close("k")).toEqual(["x1"]);
    n.fromSnapshot();
  });

  test("those of many circles are found in one look, of each the one that came last", () => {
    const n = new Names();
    for (const at of ["1", "2", "3"]) {
      n.hold(n.account, `x${at}`, alone(`m${at}`), { kind: "branch" });
      n.hold(n.account, `k${at}`, alone(`n${at}`));
      n.waits(`x${at}`, `first${at}`, alone(`n${at}`));
      n.waits(n.account, `last${at}`, alone(`m${at}`, `n${at}`), { priority: "HIGH" });
    }
    n.waits(n.account, "behind", alone("m1"), { priority: "HIGH" });
    const state = restoreState(snapshotParts(n.s.state));
    expect(lastOnCircles(state.names)).toEqual([]);
    const policy = { strategy: "PRIORITY_BASED" } as const;
    evolve(state, { type: "policy_set", atMs: n.s.nowMs, allocationId: n.account, policy });
    expect(lastOnCircles(state.names).map(({ request }) => request.requestId)).toEqual(["last3", "last2", "last1"]);
  });

  test("of many only some are told", () => {
    const n = new Names();
    const last = 9;
    for (let at = 0; at <= last; at += 1) n.hold(n.account, `h${at}`, alone(`n${at}`), { kind: "branch" });
    for (let at = 0; at < last; at += 1) n.waits(`h${at}`, `w${at}`, alone(`n${at + 1}`));
    const circle = conflictOf(n.ask(`h${last}`, "end", alone("n0"))).access?.circle ?? "";
    expect(circle.split("; ")).toHaveLength(7);
    expect(circle).toContain("; and so on, over 4 more; account-1/h8/w8 waits for n9, which account-1/h9 holds");
  });

  test("no circle: a chain may wait", () => {
    const n = twoBranches();
    n.waits("x", "x1", alone("y-name"));
    n.waits(n.account, "free", alone("x-name", "y-name"));
    n.hold("y", "y1", alone("other"));
  });
});
