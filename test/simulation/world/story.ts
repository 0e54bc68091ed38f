/** What happened lately, in few words, for whoever has to understand a failure. */

export interface Happening {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
  /** Ids of the allocation, hold, worker or daemon it is about; the empty list: everyone's concern. */
  readonly about: readonly string[];
}

const KEPT_MAX = 20_000;

export class Story {
  readonly #now: () => number;
  #kept: Happening[] = [];
  #ended = false;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The story is at its end: what happens from now on is not part of it. */
  end(): void {
    this.#ended = true;
  }

  tell(who: string, what: string, about: readonly string[] = []): void {
    if (this.#ended) return;
    this.#kept.push({ atMs: this.#now(), who, what, about });
    if (this.#kept.length > 2 * KEPT_MAX) this.#kept = this.#kept.slice(-KEPT_MAX);
  }

  /** The latest happenings that concern any of these, or everyone. */
  about(concerns: readonly string[], count: number): readonly string[] {
    const wanted = new Set(concerns);
    const told = this.#kept.filter(({ who, about }) =>
      about.length === 0 ? isEveryones(who, wanted) : about.some((id) => wanted.has(id)),
    );
    return told.slice(-count).map(({ atMs, who, what }) => `${seconds(atMs)}  ${who.padEnd(14)} ${what}`);
  }
}

/** What a daemon does as a whole concerns those who look at it; network and director concern everyone. */
function isEveryones(who: string, wanted: ReadonlySet<string>): boolean {
  return wanted.has(who) || who === "network" || who === "director" || who === "auditor";
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(3).padStart(10)} s`;
}
