/** What a daemon does when it cannot start or go on: it says why and what to do, ends with its own code, and loses nothing. */

import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { decodeCommit, encodeCommit } from "#codec";
import { openSqliteJournal } from "#journal";
import { clientOf, createSwarm } from "./client.ts";
import { killAll, startDaemon, temporaryFolder } from "./mesh.ts";

const folders: (() => void)[] = [];
function freshFolder(): string {
  const { folder, remove } = temporaryFolder();
  folders.push(remove);
  return folder;
}

const ACCOUNTS = ["--accounts", "examples/accounts.yaml"];

afterEach(killAll);
afterAll(() => {
  for (const remove of folders) remove();
});

async function failureOf(options: Parameters<typeof startDaemon>[0]): Promise<string> {
  return startDaemon(options).then(
    () => "it served",
    (error: Error) => error.message,
  );
}

describe("a daemon that cannot start", () => {
  it("names every problem of its command line and ends with 2", async () => {
    const message = await failureOf({
      tier: "coordination",
      folder: freshFolder(),
      listen: "here",
      arguments: ["--log-level", "loud"],
    });
    expect(message).toContain("ended with 2");
    expect(message).toContain("--listen must be HOST:PORT");
    expect(message).toContain("--log-level must be one of");
  });

  it("names every problem of its accounts file, with line and field, and ends with 2", async () => {
    const folder = freshFolder();
    const file = join(folder, "accounts.yaml");
    writeFileSync(
      file,
      "accounts:\n  - name: Global\n    limits: { credits: -1 }\n    strategy: FAIREST\n    colour: red\n",
    );
    const message = await failureOf({ tier: "coordination", folder, arguments: ["--accounts", file] });
    expect(message).toContain("ended with 2");
    expect(message).toMatch(/accounts\.yaml:2:\d+ +accounts\[0\]\.name/);
    expect(message).toMatch(/accounts\.yaml:3:\d+ +accounts\[0\]\.limits\.credits/);
    expect(message).toMatch(/accounts\.yaml:4:\d+ +accounts\[0\]\.strategy: .*FIRST_COME_FIRST_SERVED/);
    expect(message).toMatch(/accounts\.yaml:5:\d+ .*colour/);
  });

  it("refuses to listen beyond loopback, and ends with 3", async () => {
    const message = await failureOf({
      tier: "coordination",
      folder: freshFolder(),
      listen: "0.0.0.0:0",
      arguments: ACCOUNTS,
    });
    expect(message).toContain("ended with 3");
    expect(message).toContain("--allow-insecure");
  });

  it("names the port that is in use, and ends with 3", async () => {
    const first = await startDaemon({ tier: "coordination", folder: freshFolder(), arguments: ACCOUNTS });
    const message = await failureOf({
      tier: "coordination",
      folder: freshFolder(),
      listen: first.address,
      arguments: ACCOUNTS,
    });
    expect(message).toContain("ended with 3");
    expect(message).toContain(first.address);
    expect(await first.end()).toBe(0);
  });

  it("refuses a journal that another daemon writes, and ends with 4", async () => {
    const folder = freshFolder();
    const first = await startDaemon({ tier: "coordination", folder, arguments: ACCOUNTS });
    const message = await failureOf({ tier: "coordination", folder, arguments: ACCOUNTS });
    expect(message).toContain("ended with 4");
    expect(message).toContain("coordination.db");
    expect(await first.end()).toBe(0);
  });

  it("refuses the journal of another tier, and ends with 4", async () => {
    const folder = freshFolder();
    const first = await startDaemon({ tier: "coordination", folder, arguments: ACCOUNTS });
    await first.end();
    const journal = join(folder, "coordination.db");
    const other = await failureOf({
      tier: "process",
      folder,
      parent: "127.0.0.1:1",
      arguments: ["--journal", journal],
    });
    expect(other).toContain("ended with 4");
    expect(other).toContain("coordination");
  });

  it("refuses a journal with a flipped bit, names the row, and ends with 4", async () => {
    const folder = freshFolder();
    const first = await startDaemon({ tier: "coordination", folder, arguments: ACCOUNTS });
    await first.end();
    const journal = join(folder, "coordination.db");
    const bytes = readFileSync(journal);
    const at = bytes.indexOf("global/research");
    expect(at).toBeGreaterThan(0);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(journal, bytes);
    const message = await failureOf({ tier: "coordination", folder, arguments: ACCOUNTS });
    expect(message).toContain("ended with 4");
    expect(message).toMatch(/row \d+: .*corrupt/);
  });

  it("refuses a journal whose events make no books, and ends with 4", async () => {
    const folder = freshFolder();
    const codec = { encode: encodeCommit, decode: decodeCommit };
    const path = join(folder, "coordination.db");
    const { journal, commits } = openSqliteJournal({ path, codec, tier: "coordination", journalId: "j" });
    expect([...commits]).toEqual([]);
    journal.append({ engineTimeMs: 5, events: [{ type: "hold_lapsed", atMs: 5, holdId: "nobody" }] }, () => undefined);
    journal.close();
    const message = await failureOf({ tier: "coordination", folder, arguments: ACCOUNTS });
    expect(message).toContain("ended with 4");
    expect(message).toContain("make no books");
  });
});

describe("a daemon that cannot go on", () => {
  it("ends with 5 on a full journal, and keeps everything it acknowledged", async () => {
    const folder = freshFolder();
    const bound = [...ACCOUNTS, "--journal-bytes-max", String(160 * 1024)];
    const daemon = await startDaemon({ tier: "coordination", folder, arguments: bound });
    const client = clientOf(daemon.address);
    const acknowledged: string[] = [];
    const fill = async () => {
      for (;;)
        acknowledged.push(
          (await createSwarm(client, 1n, `s-${acknowledged.length}-${randomUUID().slice(0, 8)}`)).allocationId,
        );
    };
    await expect(fill()).rejects.toThrow();
    expect(await daemon.exited).toBe(5);
    expect(daemon.log()).toMatch(/disk|full|bytes/i);
    client.connection.close();

    const again = await startDaemon({ tier: "coordination", folder, arguments: ACCOUNTS });
    const second = clientOf(again.address);
    for (const swarm of acknowledged) await second.coordination.getSwarm({ swarm, depth: 1 });
    expect(acknowledged.length).toBeGreaterThan(10);
    second.connection.close();
    expect(await again.end()).toBe(0);
  });
});
