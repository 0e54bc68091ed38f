/**
 * A place in a document: a node, the path that leads to it, and the power to refuse what stands there. Readers (scalars.ts,
 * collections.ts) turn places into values; a reader that refuses has reported the problem and returns INVALID, so that the others
 * can go on and every problem is found in one pass.
 */
import { isMap, isNode, isScalar, isSeq, type Node, Scalar } from "yaml";
import { MUTE, type ProblemSink } from "./problem.ts";
import type { Source } from "./source.ts";

/** What a reader returns once it has reported a problem. */
export const INVALID = Symbol("invalid");
export type Invalid = typeof INVALID;

/** Turns a place into a value, or reports why it cannot and returns INVALID. */
export type Reader<T> = (place: Place) => T | Invalid;

/** One entry of a map. */
export interface Entry {
  readonly key: string;
  /** The place of the key, to report that it should not be there. */
  readonly keyPlace: Place;
  readonly value: Place;
}

const SHOWN_CHARS_MAX = 40;

function pathTo(parent: string, key: string): string {
  if (!/^[\w-]+$/.test(key)) return `${parent}[${JSON.stringify(key)}]`;
  return parent === "" ? key : `${parent}.${key}`;
}

function textOf(node: unknown): string | undefined {
  return isScalar(node) && typeof node.value === "string" ? node.value : undefined;
}

export class Place {
  /** The path, like `routines[0].steps[2].limits`; empty for the whole document. */
  readonly field: string;
  readonly #source: Source;
  readonly #sink: ProblemSink;
  readonly #node: Node | null;
  readonly #offset: number;

  private constructor(origin: { source: Source; sink: ProblemSink }, node: Node | null, field: string, offset: number) {
    this.#source = origin.source;
    this.#sink = origin.sink;
    this.#node = origin.source.resolve(node);
    this.#offset = this.#node?.range?.[0] ?? offset;
    this.field = field;
  }

  /** The place of the whole document. */
  static root(source: Source, sink: ProblemSink): Place {
    return new Place({ source, sink }, source.root, "", 0);
  }

  /** The scalar's text as written; undefined for a map, a list or nothing. */
  get text(): string | undefined {
    return this.isNothing ? undefined : textOf(this.#node);
  }

  /** True when nothing is written here, or only `~` or `null`. */
  get isNothing(): boolean {
    const text = textOf(this.#node);
    if (text === undefined) return this.#node === null;
    return isScalar(this.#node) && this.#node.type === Scalar.PLAIN && ["", "~", "null", "Null", "NULL"].includes(text);
  }

  /** What is written here, short enough for a message. */
  get shown(): string {
    if (isMap(this.#node)) return "a map";
    if (isSeq(this.#node)) return "a list";
    const text = this.text;
    if (text === undefined) return "nothing";
    const short = text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text;
    return isScalar(this.#node) && this.#node.type === Scalar.PLAIN ? short : JSON.stringify(short);
  }

  /** Line on which this place starts, from 1. */
  get line(): number {
    return this.#source.at(this.#offset).line;
  }

  /** Reports a problem with what stands here. `message` says what to do. */
  refuse(message: string): Invalid {
    this.#sink.add({ file: this.#source.file, ...this.#source.at(this.#offset), field: this.field, message });
    return INVALID;
  }

  /** Reports that `key` is missing from the map here. `message` says what to do. */
  refuseMissing(key: string, message: string): Invalid {
    return this.#derived(this.#node, pathTo(this.field, key)).refuse(message);
  }

  /**
   * The entries of a map in the order of the file, or undefined when this is no map. A key may come more than once; one that is no
   * text is reported and left out.
   */
  entries(): Entry[] | undefined {
    if (!isMap(this.#node)) return undefined;
    return this.#node.items.flatMap(({ key, value }) => {
      const name = textOf(this.#source.resolve(isNode(key) ? key : null));
      const field = pathTo(this.field, name ?? "?");
      const keyPlace = this.#derived(key, field);
      if (name !== undefined)
        return [{ key: name, keyPlace, value: this.#derived(value ?? key, field, value === null) }];
      keyPlace.refuse("a key must be a name, not a map or a list");
      return [];
    });
  }

  /** The items of a list in order, or undefined when this is no list. */
  items(): Place[] | undefined {
    if (!isSeq(this.#node)) return undefined;
    return this.#node.items.map((item, index) => this.#derived(item, `${this.field}[${index}]`));
  }

  /** The place at `path` below this one (keys of maps, indexes of lists); undefined when the document has none. */
  find(...path: readonly (string | number)[]): Place | undefined {
    let place: Place = this;
    for (const step of path) {
      const found = place.#below(step);
      if (found === undefined) return undefined;
      place = found;
    }
    return place;
  }

  /** What `reader` makes of the place at `path`, without reporting anything; undefined when it is missing or wrong. */
  peek<T>(reader: Reader<T>, ...path: readonly (string | number)[]): T | undefined {
    const place = this.find(...path);
    if (place === undefined) return undefined;
    const value = reader(place.#muted());
    return value === INVALID ? undefined : value;
  }

  #derived(node: unknown, field: string, empty = false): Place {
    const offset = isNode(node) ? (node.range?.[0] ?? this.#offset) : this.#offset;
    return new Place({ source: this.#source, sink: this.#sink }, isNode(node) && !empty ? node : null, field, offset);
  }

  /** One step down, without looking at the rest of the map or list. */
  #below(step: string | number): Place | undefined {
    if (typeof step === "number") {
      const item = isSeq(this.#node) ? this.#node.items[step] : undefined;
      return item === undefined ? undefined : this.#derived(item, `${this.field}[${step}]`);
    }
    if (!isMap(this.#node)) return undefined;
    const pair = this.#node.items.find(({ key }) => textOf(this.#source.resolve(isNode(key) ? key : null)) === step);
    return pair && this.#derived(pair.value ?? pair.key, pathTo(this.field, step), pair.value === null);
  }

  #muted(): Place {
    return new Place({ source: this.#source, sink: MUTE }, this.#node, this.field, this.#offset);
  }
}
