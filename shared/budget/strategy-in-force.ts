/** The strategy that decides about a request, and who named it. */
import type { StrategyName } from "./policy.ts";

export interface StrategyInForce {
  readonly name: StrategyName;
  /** The request itself, the node that is asked, a node above it, or nobody: then it is the usual one. */
  readonly from: "request" | "own" | "inherited" | "default";
  /** Path of the node whose policy names it; empty where no node does. */
  readonly path: string;
}

const FROM: { readonly [F in StrategyInForce["from"]]: (path: string) => string } = {
  request: () => "the request's",
  own: () => "its own",
  inherited: (path) => `inherited from ${path}`,
  default: () => "by default",
};

/** For example "PRIORITY_BASED (inherited from global/research)". */
export function strategyWords({ name, from, path }: StrategyInForce): string {
  return `${name} (${FROM[from](path)})`;
}
