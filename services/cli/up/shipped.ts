/** The examples that come with Bursar. */
import { join } from "node:path";

/** The folder in which Bursar is installed. */
export const HOME = join(import.meta.dirname, "..", "..", "..");

export const SHIPPED = Object.freeze({
  accounts: join(HOME, "examples", "accounts.yaml"),
  prices: join(HOME, "examples", "prices.yaml"),
  swarm: join(HOME, "examples", "research-swarm.yaml"),
});
