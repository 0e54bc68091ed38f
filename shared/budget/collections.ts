/**
 * Collections that most allocations never fill. They share one empty set and one empty map, which nobody may write to, until the first
 * item comes: a million open allocations would otherwise carry six million empty containers.
 */

/** The set of an owner that has none yet. */
export const NO_ITEMS: ReadonlySet<never> = new Set<never>();
/** The map of an owner that has none yet. */
export const NO_ENTRIES: ReadonlyMap<never, never> = new Map<never, never>();

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
