/**
 * Access to named tools and resources: what a wish may ask for. Who holds a name, and who waits for it, stands in access-names.ts.
 *
 * Two open allocations under one root may hold the same name only when both hold it SHARED, or when one stands under the other: what an
 * allocation holds covers all that is below it, and those below it share it among themselves by the same rule. Below a SHARED hold nobody
 * has the name EXCLUSIVE: others outside use it too.
 */

export const ACCESS_MODES = ["SHARED", "EXCLUSIVE"] as const;
export type AccessMode = (typeof ACCESS_MODES)[number];

/** One name that is wanted or held. A name has 1 … LIMITS.accessNameCharsMax characters. */
export interface Access {
  readonly name: string;
  readonly mode: AccessMode;
}

/** Whether both may have the same name side by side. */
export function goTogether(a: AccessMode, b: AccessMode): boolean {
  return a === "SHARED" && b === "SHARED";
}

/** "browser EXCLUSIVE, db SHARED". */
export function accessText(access: readonly Access[]): string {
  return access.map(({ name, mode }) => `${name} ${mode}`).join(", ");
}
