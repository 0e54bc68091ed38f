/** Which consumables an allocation draws from its parent as they are needed, as the contract's flags say it. */
import { CONSUMABLES, type Consumable } from "#budget";

const NONE: readonly Consumable[] = Object.freeze([]);

/** The consumables whose flag is set; one shared value when none is. */
export function pooledOf(flags: Readonly<Record<Consumable, boolean>>): readonly Consumable[] {
  return flags.credits || flags.toolCalls ? CONSUMABLES.filter((resource) => flags[resource]) : NONE;
}
