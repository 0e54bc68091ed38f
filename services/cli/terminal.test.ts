import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { type OutputStream, systemTerminal } from "./terminal.ts";

interface FakeStream extends OutputStream {
  readonly text: () => string;
  emit(event: string, ...values: unknown[]): boolean;
}

function stream(shape: { readonly isTTY: boolean; readonly columns?: number; readonly rows?: number }): FakeStream {
  const written: string[] = [];
  const write = (text: string): boolean => written.push(text) > 0;
  return Object.assign(new EventEmitter(), {
    columns: 80,
    rows: 24,
    ...shape,
    write,
    text: () => written.join(""),
  }) as never;
}

const onTerminal = (shape = {}) => {
  const [stdout, stderr] = [stream({ isTTY: true, ...shape }), stream({ isTTY: true, ...shape })];
  return { terminal: systemTerminal({ colour: true, stdout, stderr }), stdout, stderr };
};

test("results go to stdout, notes to stderr, and colour only to a terminal that wants it", () => {
  const [stdout, stderr] = [stream({ isTTY: false }), stream({ isTTY: true })];
  const terminal = systemTerminal({ colour: true, stdout, stderr });
  terminal.print("result");
  terminal.note("note");
  expect([stdout.text(), stderr.text()]).toEqual(["result\n", "note\n"]);
  expect([terminal.stdout.colour, terminal.stderr.colour]).toEqual([false, true]);
  expect(systemTerminal({ colour: false, stdout, stderr }).stderr.colour).toBe(false);
});

test("a status gives way to what is written and comes back after it", () => {
  const { terminal, stderr, stdout } = onTerminal();
  terminal.status("half done");
  terminal.note("by the way");
  terminal.print("result");
  terminal.status(undefined);
  const erase = "\r\u001b[2K";
  expect(stderr.text()).toBe(`${erase}half done${erase}by the way\nhalf done${erase}half done${erase}`);
  expect(stdout.text()).toBe("result\n");
});

test("a status is cut to one line, and is nothing off a terminal", () => {
  const { terminal, stderr } = onTerminal({ columns: 8 });
  terminal.status("0123456789");
  expect(stderr.text()).toBe("\r\u001b[2K012345…");
  const plain = stream({ isTTY: false });
  systemTerminal({ colour: true, stdout: plain, stderr: plain }).status("moving");
  expect(plain.text()).toBe("");
});

test("a picture is drawn over the one before, cut to the height of the window", () => {
  const { terminal, stdout } = onTerminal({ rows: 4 });
  terminal.draw(["a", "b"]);
  terminal.draw(["1", "2", "3", "4"]);
  const [first, second] = stdout.text().split("\u001b[2A");
  expect(first).toBe("\r\u001b[J\u001b[?7la\nb\n\u001b[?7h");
  expect(second).toContain("1\n2\n… 2 more lines");
  expect(second).not.toContain("3");
});

test("a reader that leaves is noticed, and nothing is thrown", () => {
  const { terminal, stdout, stderr } = onTerminal();
  expect(terminal.readerLeft.aborted).toBe(false);
  stdout.emit("error", new Error("EPIPE"));
  stderr.emit("error", new Error("EPIPE"));
  expect(terminal.readerLeft.aborted).toBe(true);
});
