import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { grantsRequestOf, grantsResponseOf, usageRequestOf, usageResponseOf } from "#codec";
import { executionError, FaultError, RefusalError } from "#errors";
import {
  StreamGrantsRequestSchema,
  StreamGrantsResponseSchema,
  StreamUsageRequestSchema,
  StreamUsageResponseSchema,
} from "#gen/bursar/v1/budget_service_pb.js";
import type { DownItem, UpItem } from "#ports";
import * as values from "../codec/messages/values.fixture.ts";
import { itemStatuses } from "./item-status.ts";
import { downItemBytes, heldBytes, standingBytes, upItemBytes } from "./link-item-bytes.ts";

const size = <S extends DescMessage>(schema: S, message: MessageShape<S>) => toBinary(schema, message).byteLength;

function expectAtMost<T>(items: fc.Arbitrary<T>, sizes: (item: T) => readonly [actual: number, stated: number]): void {
  fc.assert(
    fc.property(items, (item) => {
      const [actual, stated] = sizes(item);
      expect(actual).toBeLessThanOrEqual(stated);
    }),
  );
}

const grantsUp = (item: Exclude<UpItem, { type: "hello" }>) =>
  [size(StreamGrantsRequestSchema, grantsRequestOf([item])), upItemBytes(item)] as const;
const grantsDown = (item: Exclude<DownItem, { type: "welcome" }>) =>
  [size(StreamGrantsResponseSchema, grantsResponseOf([item], itemStatuses)), downItemBytes(item)] as const;

const long = fc.string({ unit: "grapheme", maxLength: 2_000 });
const violations = fc.array(fc.record({ field: long, description: long }), { maxLength: 40 });
const errors = fc.oneof(
  fc
    .record({ message: long, fieldViolations: violations })
    .map((facts) => new RefusalError({ reason: "QUEUE_FULL", retryAfterMs: 5, ...facts })),
  fc
    .record({ message: long, cause: long, resource: long, holders: fc.array(long), fieldViolations: violations })
    .map(
      (facts) =>
        new FaultError(executionError({ id: "e", type: "QUOTA_EXCEEDED", reach: "one", retryAfterMs: 5, ...facts })),
    ),
);

describe("an item takes no more bytes than is stated", () => {
  test("asks, returns and cancels", () => {
    expectAtMost(values.ask, (ask) => grantsUp({ type: "ask", ask }));
    expectAtMost(values.held, (held) => grantsUp({ type: "returned", ...held }));
    expectAtMost(values.id, (requestId) => grantsUp({ type: "cancel", requestId }));
  });

  test("reports", () => {
    expectAtMost(values.report, (report) => {
      const item = { type: "usage", report } as const;
      return [size(StreamUsageRequestSchema, usageRequestOf([item])), upItemBytes(item)];
    });
  });

  test("decisions and revisions", () => {
    expectAtMost(values.answer, (answer) => grantsDown({ type: "decision", requestId: "r", answer }));
    expectAtMost(values.held, (held) => grantsDown({ type: "revision", ...held }));
  });

  test("errors, in decisions and acknowledgements", () => {
    expectAtMost(errors, (error) =>
      grantsDown({ type: "decision", requestId: "r", answer: { type: "denied", error } }),
    );
    expectAtMost(fc.tuple(values.ack, errors), ([ack, error]) => {
      const item = { type: "ack", ack: { ...ack, error } } as const;
      return [size(StreamUsageResponseSchema, usageResponseOf([item], itemStatuses)), downItemBytes(item)];
    });
  });

  test("allocations of a hello and of a welcome", () => {
    expectAtMost(fc.tuple(values.hello, values.held), ([hello, held]) => {
      const message = (allocations: (typeof held)[]) =>
        size(StreamGrantsRequestSchema, grantsRequestOf([], { hello: { ...hello, allocations }, more: true }));
      return [message([held]) - message([]), heldBytes(held)];
    });
    expectAtMost(values.welcome, (welcome) => {
      const message = (allocations: (typeof welcome)["allocations"]) =>
        size(
          StreamGrantsResponseSchema,
          grantsResponseOf([], itemStatuses, { welcome: { ...welcome, allocations }, more: true }),
        );
      const stated = welcome.allocations.reduce((bytes, standing) => bytes + standingBytes(standing), 0);
      return [message(welcome.allocations) - message([]), stated];
    });
  });
});
