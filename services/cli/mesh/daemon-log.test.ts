import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { LIMITS } from "#std";
import { temporaryFolder } from "../testing/test-session.ts";
import { styleFor } from "../view/style.ts";
import { DaemonLog } from "./daemon-log.ts";
import { LineSplitter } from "./line-splitter.ts";
import { readLogLine } from "./log-line.ts";
import { makeFolder } from "./make-folder.ts";

const style = styleFor({ colour: false });

test("a log goes on where it was, and rolls over when it is full", () => {
  const file = join(temporaryFolder(), "logs", "process.log");
  const onFailure = vi.fn();
  const first = new DaemonLog({ file, onFailure, bytesMax: 12 });
  first.write("one");
  first.close();
  const second = new DaemonLog({ file, onFailure, bytesMax: 12 });
  second.write("two");
  expect(readFileSync(file, "utf8")).toBe("one\ntwo\n");
  second.write("three");
  expect(readFileSync(file, "utf8")).toBe("three\n");
  expect(readFileSync(`${file}.1`, "utf8")).toBe("one\ntwo\n");
  second.write("a line longer than the whole file may be");
  second.write("last");
  expect(readFileSync(file, "utf8")).toBe("last\n");
  second.close();
  second.write("after the end");
  expect(onFailure).not.toHaveBeenCalled();
});

test("a log that cannot roll over says so once and lets the daemon go on", () => {
  const file = join(temporaryFolder(), "process.log");
  const onFailure = vi.fn();
  const log = new DaemonLog({ file, onFailure, bytesMax: 4 });
  mkdirSync(join(`${file}.1`, "in the way"), { recursive: true });
  for (const line of ["one", "two", "three"]) log.write(line);
  expect(onFailure).toHaveBeenCalledOnce();
  expect(onFailure.mock.calls[0]?.[0].message).toContain(`cannot write the log to ${file}`);
});

test("bytes become lines wherever they are cut, and a line keeps its bound", () => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  const bytes = Buffer.from(`ä\r\n\nlonger\n${"x".repeat(LIMITS.daemonLogLineCharsMax + 5)}\nrest`);
  for (let at = 0; at < bytes.length; at += 7) splitter.write(bytes.subarray(at, at + 7));
  splitter.end();
  splitter.end();
  expect(lines.map((line) => (line.length > 10 ? line.length : line))).toEqual([
    "ä",
    "",
    "longer",
    LIMITS.daemonLogLineCharsMax,
    "rest",
  ]);
});

test("a log line is read for a person", () => {
  const time = new Date(2026, 0, 2, 3, 4, 5).getTime();
  const line = JSON.stringify({
    level: 40,
    time,
    tier: "process",
    msg: "a child\nis gone",
    child: "e-1",
    err: { message: "lost" },
  });
  expect(readLogLine("process", line, style)).toEqual({
    notable: true,
    isLog: true,
    message: "a child is gone",
    text: "03:04:05  process       WARN   a child is gone  child=e-1 err=lost",
  });
  expect(readLogLine("execution", '{"level":30,"msg":"serving"}', style)).toMatchObject({
    notable: false,
    message: "serving",
  });
});

test.each(["execution: --prices names no file", "{not json", "[1]"])("%s is shown as it is", (line) => {
  const text = `coordination  ${line}`;
  expect(readLogLine("coordination", line, style)).toEqual({ notable: true, isLog: false, message: "", text });
});

test("folders are made with those above them; where none can be, that is said", () => {
  const folder = join(temporaryFolder(), "a", "b");
  makeFolder(folder);
  makeFolder(folder);
  expect(existsSync(folder)).toBe(true);
  expect(() => makeFolder("/dev/null")).toThrow("cannot make the folder /dev/null: there is a file of that name");
  expect(() => makeFolder("/dev/null/below")).toThrow("a part of the path is not a folder");
});
