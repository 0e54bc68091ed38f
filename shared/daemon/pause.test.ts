import { getEventListeners } from "node:events";
import { expect, it } from "vitest";
import { pause } from "./pause.ts";

/** A clock with one timer, fired by hand. */
function handClock() {
  let action: (() => void) | undefined;
  const after = (_delayMs: number, then: () => void) => {
    action = then;
    return () => {
      action = undefined;
    };
  };
  return { after, fire: () => action?.(), isArmed: () => action !== undefined };
}

it("ends with the timer and leaves no listener behind", async () => {
  const clock = handClock();
  const { signal } = new AbortController();
  const waited = pause(clock, 5, signal);
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  clock.fire();
  await waited;
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
});

it("ends early when the signal aborts, and leaves no timer behind", async () => {
  const clock = handClock();
  const abort = new AbortController();
  const waited = pause(clock, 5, abort.signal);
  abort.abort();
  await waited;
  expect(clock.isArmed()).toBe(false);
  const over = pause(clock, 5, abort.signal);
  expect(clock.isArmed()).toBe(false);
  await over;
});
