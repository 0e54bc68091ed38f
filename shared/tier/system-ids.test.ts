import { describe, expect, it } from "vitest";
import { systemClock } from "./system-clock.ts";
import { systemIds } from "./system-ids.ts";

describe("systemIds", () => {
  it("makes UUIDv7 that sort by the time of their making", async () => {
    const earlier = systemIds.newId();
    await new Promise<void>((resolve) => systemClock.after(2, resolve));
    const later = systemIds.newId();
    expect(earlier).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(later > earlier).toBe(true);
  });

  it("makes tokens of 256 bits in base64url, no two alike", () => {
    const tokens = new Set(Array.from({ length: 1000 }, () => systemIds.newToken()));
    expect(tokens.size).toBe(1000);
    for (const token of tokens) expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });
});
