/** What names the time since this machine was started. */
import { readFileSync } from "node:fs";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const CHARS_MAX = 64;

/** Another one after each start of the machine; undefined where the system does not say. */
export function bootId(): string | undefined {
  try {
    return readFileSync(BOOT_ID, "latin1").trim().slice(0, CHARS_MAX) || undefined;
  } catch {
    return undefined; // not Linux, or hidden from this process: then no hold is answered ahead of its sync
  }
}
