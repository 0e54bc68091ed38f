/**
 * Collections that most allocations never fill. They share one empty set, one empty map and one empty list, which nobody may write to,
 * until the first item comes: a million open allocations would otherwise carry nine million empty containers.
 */

/** The set of an owner that has none yet. */
export const NO_ITEMS: ReadonlySet<never> = new Set<never>();
/** The map of an owner that has none yet. */
export const NO_ENTRIES: ReadonlyMap<never, never> = new Map<never, never>();

/** The list of an owner that has none yet. */
export const NO_LIST: readonly never[] = Object.freeze([]);

/** The owner's set with `item` in it. */
export function withItem<T>(set: ReadonlySet<T>, item: T): ReadonlySet<T> {
  const own = set === NO_ITEMS ? new Set<T>() : (set as Set<T>);
  return own.add(item);
}

/** The owner's set without `item`. */
export function withoutItem<T>(set: ReadonlySet<T>, item: T): ReadonlySet<T> {
  if (set !== NO_ITEMS) (set as Set<T>).delete(item);
  return set;
}

/** The owner's map with `value` under `key`. */
export function withEntry<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  const own = map === NO_ENTRIES ? new Map<K, V>() : (map as Map<K, V>);
  return own.set(key, value);
}

/** The owner's map without `key`. */
export function withoutEntry<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  if (map !== NO_ENTRIES) (map as Map<K, V>).delete(key);
  return map;
}

/** The owner's list with `item` at its end. */
export function withLast<T>(list: readonly T[], item: T): readonly T[] {
  if (list === NO_LIST) return [item];
  (list as T[]).push(item);
  return list;
}

/** The owner's list without the item at `index`; harmless when there is none. */
export function withoutIndex<T>(list: readonly T[], index: number): readonly T[] {
  if (index < 0 || list === NO_LIST) return list;
  if (index === 0) (list as T[]).shift();
  else (list as T[]).splice(index, 1);
  return list;
}

/** Texts of which there is one at most owners: one stands for itself, without a list around it. */
export type Texts = string | readonly string[];

export function listOf(texts: Texts): readonly string[] {
  return typeof texts === "string" ? [texts] : texts;
}

/** The owner's texts with one more. */
export function withText(texts: Texts, text: string): Texts {
  if (typeof texts === "string") return [texts, text];
  return texts.length === 0 ? text : withLast(texts, text);
}
