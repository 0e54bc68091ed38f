import { describe, expect, it } from "vitest";
import { parseDaemonSettings, usageText } from "./settings.ts";

describe("settings of a daemon", () => {
  it("fills in what is not said", () => {
    const parsed = parseDaemonSettings("execution", ["--journal", "x/e.db"]);
    expect(parsed).toEqual({
      ok: true,
      settings: {
        tier: "execution",
        listen: "127.0.0.1:7430",
        advertise: undefined,
        journal: "x/e.db",
        parent: "127.0.0.1:7420",
        accounts: undefined,
        prices: undefined,
        workDir: "x/e.db.work",
        capacity: 0,
        allowInsecure: false,
        logLevel: "info",
        checkInvariants: false,
        leaseTtlMs: 15_000,
        journalBytesMax: undefined,
      },
    });
    expect(parsed.ok && Object.isFrozen(parsed.settings)).toBe(true);
  });

  it("names every problem at once", () => {
    const parsed = parseDaemonSettings("coordination", [
      ...["--listen", "nowhere", "--parent", "127.0.0.1:1", "--capacity=-3"],
      ...["--log-level", "loud", "--journal-bytes-max", "7", "--lease-ttl-ms", "999"],
    ]);
    expect(parsed.ok).toBe(false);
    const problems = parsed.ok ? "" : parsed.problems.join("\n");
    expect(problems).toContain("--parent is for process and execution");
    expect(problems).toContain("--journal is missing");
    expect(problems).toContain('--listen must be HOST:PORT, got "nowhere"');
    expect(problems).toContain("--log-level must be one of");
    expect(problems).toContain("--journal-bytes-max must be a whole number, 65536 or more");
    expect(problems).toContain("--lease-ttl-ms must be a whole number, 1000 to 600000");
  });

  it("takes a lease within its bounds, from those who grant", () => {
    const leaseOf = (tier: "process" | "execution", ms: string) => {
      const parsed = parseDaemonSettings(tier, ["--journal", "j.db", "--lease-ttl-ms", ms]);
      return parsed.ok ? parsed.settings.leaseTtlMs : parsed.problems.join();
    };
    expect([leaseOf("process", "1000"), leaseOf("process", "600000")]).toEqual([1_000, 600_000]);
    expect(leaseOf("process", "600001")).toContain("1000 to 600000");
    expect(leaseOf("execution", "1000")).toContain("--lease-ttl-ms is for coordination and process, not execution");
  });

  it("refuses an option that it does not know, by name", () => {
    const parsed = parseDaemonSettings("process", ["--journal", "p.db", "--port", "1"]);
    expect(parsed).toMatchObject({ ok: false });
    expect(parsed.ok ? "" : parsed.problems[0]).toContain("--port");
  });

  it.each(["coordination", "process", "execution"] as const)("explains how to start %s", (tier) => {
    const text = usageText(tier);
    expect(text).toContain(`usage: ${tier} --journal FILE`);
    expect(text.includes("--accounts")).toBe(tier === "coordination");
    expect(text.includes("--parent")).toBe(tier !== "coordination");
  });
});
