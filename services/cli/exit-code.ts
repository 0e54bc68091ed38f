/** The exit codes of the command. They are part of its interface: README and help list them. */

export const EXIT = Object.freeze({
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  refused: 4,
  interrupted: 130,
});

/** What each code means, for the help. */
export const EXIT_MEANINGS: readonly (readonly [code: number, meaning: string])[] = Object.freeze([
  [EXIT.ok, "it did what it should"],
  [EXIT.failed, "the work failed or was stopped, or a daemon failed"],
  [EXIT.usage, "wrong usage, or a file that cannot be used; nothing was changed"],
  [EXIT.unreachable, "the mesh cannot be reached, or was lost"],
  [EXIT.refused, "refused: no budget, no permission, not found, a state that forbids it"],
  [EXIT.interrupted, "ended by Ctrl-C (up and start end with 0: ending them is what it is for)"],
]);
