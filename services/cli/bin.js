#!/usr/bin/env node
/**
 * The command `bursar`: runs main.ts under a Node that can. Plain JavaScript, so that an older Node gets as far as this.
 */
import { fileURLToPath } from "node:url";
import { handOverToNode } from "./hand-over.js";

const main = fileURLToPath(new URL("main.ts", import.meta.url));
process.exitCode = await handOverToNode([main, ...process.argv.slice(2)]);
