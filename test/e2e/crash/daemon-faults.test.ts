/** What in a daemon's log is a fault, and what is not. */
import { expect, test } from "vitest";
import { faultsIn, isAbortOfNode } from "./daemon-faults.ts";

test("errors and stacks are faults; words, warnings and a torn last line are not", () => {
  const log = [
    '{"level":30,"msg":"serving"}',
    '{"level":40,"msg":"a worker presented a wrong token"}',
    '{"level":50,"msg":"a call failed by a fault of this daemon"}',
    "TypeError: no",
    '{"level":30,"ms',
  ].join("\n");
  expect(faultsIn(log)).toEqual(['{"level":50,"msg":"a call failed by a fault of this daemon"}', "TypeError: no"]);
});

test("an abort of Node's own HTTP/2 is told apart from every other end", () => {
  const abort =
    "#  node[7]: void node::http2::Http2Session::CheckAllocatedSize(size_t) const\n#  Assertion failed: (current_nghttp2_memory_)";
  expect(isAbortOfNode(abort)).toBe(true);
  expect(isAbortOfNode("TypeError: no\n    at Http2Session.destroy")).toBe(false);
});
