/**
 * Readers of maps and lists. Each reads everything below it even when a part is wrong, and reports keys it does not know, keys that
 * come twice and keys that are missing.
 */
import { nearestName } from "./nearest-name.ts";
import { type Entry, INVALID, type Invalid, type Place, type Reader } from "./place.ts";

type Presence = "required" | "optional" | "defaulted";

/** A key of a map, as it is written in the document, and how its value is read. */
export interface Field<T, P extends Presence> {
  readonly key: string;
  readonly reader: Reader<T>;
  readonly presence: P;
  readonly fallback?: T;
}

/** The keys of a map by the property that each becomes. */
export type Fields = Readonly<Record<string, Field<unknown, Presence>>>;

type ValueOf<F> = F extends Field<infer T, Presence> ? T : never;
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends Field<unknown, infer P> ? ("optional" extends P ? K : never) : never;
}[keyof F];
type Flat<T> = { [K in keyof T]: T[K] };
/** The value that `Fields` describe. */
export type Shape<F extends Fields> = Flat<
  { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: ValueOf<F[K]> } & {
    readonly [K in OptionalKeys<F>]?: ValueOf<F[K]>;
  }
>;

/** A key that must be there. */
export function required<T>(key: string, reader: Reader<T>): Field<T, "required"> {
  return { key, reader, presence: "required" };
}

/** A key that may be absent; so is its property then. */
export function optional<T>(key: string, reader: Reader<T>): Field<T, "optional"> {
  return { key, reader, presence: "optional" };
}

/** A key that may be absent; its property is `fallback` then. */
export function defaulted<T>(key: string, reader: Reader<T>, fallback: T): Field<T, "defaulted"> {
  return { key, reader, presence: "defaulted", fallback };
}

/** The entries by key; the second entry of a key is reported and left out. */
function entriesByKey(entries: readonly Entry[]): Map<string, Entry> {
  const byKey = new Map<string, Entry>();
  for (const entry of entries) {
    const first = byKey.get(entry.key);
    if (first === undefined) byKey.set(entry.key, entry);
    else entry.keyPlace.refuse(`stands twice in this map, first on line ${first.keyPlace.line}; remove one`);
  }
  return byKey;
}

/** Reports a key that is not known here; gives the one that was probably meant. */
function refuseUnknown(entry: Entry, known: readonly string[]): string | undefined {
  const nearest = nearestName(entry.key, known);
  const advice = nearest === undefined ? `known here: ${known.join(", ")}` : `did you mean ${nearest}?`;
  entry.keyPlace.refuse(`unknown key; ${advice}`);
  return nearest;
}

function readField(field: Field<unknown, Presence>, place: Place, entry: Entry | undefined): unknown {
  if (entry === undefined) {
    if (field.presence === "required") return place.refuseMissing(field.key, "is missing; it must be given");
    return field.presence === "defaulted" ? field.fallback : undefined;
  }
  if (entry.value.isNothing) return entry.value.refuse("has no value; write one or remove the key");
  return field.reader(entry.value);
}

/** A map with exactly these keys. `check` looks at the whole map afterwards, also when parts of it were refused. */
export function object<F extends Fields>(fields: F, check?: (place: Place) => void): Reader<Shape<F>> {
  const known = Object.values(fields).map(({ key }) => key);
  return (place) => {
    const entries = place.entries();
    if (entries === undefined) return place.refuse(`must be a map with ${known.join(", ")}; got ${place.shown}`);
    const byKey = entriesByKey(entries);
    const unknown = [...byKey.values()].filter(({ key }) => !known.includes(key));
    // A key that was misspelt is reported once, as that, and not also as missing.
    const meant = new Set(unknown.map((entry) => refuseUnknown(entry, known)));
    const shape: Record<string, unknown> = {};
    let valid = unknown.length === 0;
    for (const [property, field] of Object.entries(fields)) {
      const entry = byKey.get(field.key);
      const value = entry === undefined && meant.has(field.key) ? INVALID : readField(field, place, entry);
      if (value === INVALID) valid = false;
      else if (value !== undefined) shape[property] = value;
    }
    check?.(place);
    return valid ? (shape as Shape<F>) : INVALID;
  };
}

export interface ListOptions {
  /** Default 0. */
  readonly itemsMin?: number;
  readonly itemsMax: number;
  /** What the items are, in the plural: "steps". */
  readonly noun: string;
}

/** A list of what `reader` reads. */
export function list<T>(reader: Reader<T>, options: ListOptions): Reader<readonly T[]> {
  const { itemsMin = 0, itemsMax, noun } = options;
  return (place) => {
    const items = place.items();
    if (items === undefined) return place.refuse(`must be a list of ${noun}; got ${place.shown}`);
    if (items.length < itemsMin) return place.refuse(`has ${items.length} ${noun}; give at least ${itemsMin}`);
    if (items.length > itemsMax) return place.refuse(`has ${items.length} ${noun}; at most ${itemsMax} are allowed`);
    const values = items.map(reader);
    return values.includes(INVALID) ? INVALID : (values as T[]);
  };
}

export interface RecordOptions {
  /** Reads each key; default: any text that is not empty. */
  readonly key: Reader<string>;
  readonly entriesMax: number;
  readonly noun: string;
}

/** A map with keys of the author's choice. The value has them as own properties, whatever their names. */
export function record<T>(reader: Reader<T>, options: RecordOptions): Reader<Readonly<Record<string, T>>> {
  const { key: readKey, entriesMax, noun } = options;
  return (place) => {
    const entries = place.entries();
    if (entries === undefined) return place.refuse(`must be a map of ${noun}; got ${place.shown}`);
    if (entries.length > entriesMax)
      return place.refuse(`has ${entries.length} ${noun}; at most ${entriesMax} are allowed`);
    const pairs: [string, T | Invalid][] = [];
    for (const { key, keyPlace, value } of entriesByKey(entries).values()) {
      const keyValue = readKey(keyPlace);
      const read = value.isNothing ? value.refuse("has no value; write one or remove the key") : reader(value);
      pairs.push([key, keyValue === INVALID ? INVALID : read]);
    }
    return pairs.some(([, value]) => value === INVALID) ? INVALID : (Object.fromEntries(pairs) as Record<string, T>);
  };
}

type Variants = Readonly<Record<string, Reader<unknown>>>;
type ReadBy<R> = R extends (place: Place) => infer T ? Exclude<T, Invalid> : never;
/** One shape per variant: the common properties, the variant's own, and `kind`, which tells them apart. */
export type Union<F extends Fields, V extends Variants> = {
  [K in keyof V & string]: Flat<{ readonly kind: K } & Shape<F> & { readonly [P in K]: ReadBy<V[K]> }>;
}[keyof V & string];

export interface UnionOptions<F extends Fields, V extends Variants> {
  /** Keys that every variant has. */
  readonly common: F;
  /** The key that makes a map this variant, and the reader of its value. */
  readonly variants: V;
  readonly check?: (place: Place) => void;
}

/** A map with the common keys and exactly one of the variants' keys. */
export function unionByKey<F extends Fields, V extends Variants>(options: UnionOptions<F, V>): Reader<Union<F, V>> {
  const kinds = Object.keys(options.variants);
  const variantFields = Object.entries(options.variants).map(
    ([kind, reader]) => [kind, optional(kind, reader)] as const,
  );
  const fields: Fields = { ...options.common, ...Object.fromEntries(variantFields) };
  const known = Object.values(fields).map(({ key }) => key);
  const readAll = object(fields, options.check);
  return (place) => {
    const shape = readAll(place);
    const entries = place.entries();
    if (entries === undefined) return INVALID;
    const [first, second] = entries.filter(({ key }) => kinds.includes(key));
    if (first === undefined) {
      const misspelt = entries.some(({ key }) => !known.includes(key) && kinds.includes(nearestName(key, known) ?? ""));
      return misspelt ? INVALID : place.refuse(`must have one of ${kinds.join(", ")}`);
    }
    if (second !== undefined && second.key !== first.key) {
      return second.keyPlace.refuse(`stands beside ${first.key}; keep only one of ${kinds.join(", ")}`);
    }
    return shape === INVALID ? INVALID : ({ kind: first.key, ...shape } as Union<F, V>);
  };
}

/** A reader that is made when it is first needed, for shapes that contain themselves. */
export function lazy<T>(make: () => Reader<T>): Reader<T> {
  let made: Reader<T> | undefined;
  return (place) => {
    made ??= make();
    return made(place);
  };
}

/** What `reader` reads, turned into something else; INVALID only for what has been reported elsewhere. */
export function mapped<T, U>(reader: Reader<T>, turn: (value: T) => U | Invalid): Reader<U> {
  return (place) => {
    const value = reader(place);
    return value === INVALID ? INVALID : turn(value);
  };
}
