/** `bursar up`: the three daemons of one state folder, until Ctrl-C. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readAccountsDocument, readPricesDocument } from "#codec";
import { readDocumentFile } from "../documents.ts";
import { EXIT } from "../exit-code.ts";
import { MeshKeeper, type MeshKeeperOptions } from "../mesh/mesh-keeper.ts";
import type { Session } from "../session.ts";
import { styleFor } from "../view/style.ts";
import { SHIPPED } from "./shipped.ts";
import type { UpOptions } from "./up-options.ts";

export async function up(options: UpOptions, session: Session): Promise<number> {
  const { terminal, calledAs } = session;
  const { state, portBase, verbose } = options;
  const files = await checkedFiles(options);
  const mesh = await MeshKeeper.start({ session, state, portBase, verbose, ...files, cwd: process.cwd() });
  try {
    for (const line of exampleLines(files, options)) terminal.note(line);
    if (options.json) terminal.print(JSON.stringify({ event: "up", ...mesh.file }));
    else terminal.note(upLines(mesh, session).join("\n"));
    terminal.note(
      styleFor(terminal.stderr).quiet(`in another window: ${calledAs} tree --watch; here Ctrl-C ends the mesh`),
    );
    return await untilEnded(mesh, session);
  } finally {
    await mesh.stop();
  }
}

/** Waits for Ctrl-C, which is how a mesh ends well, or until a daemon was given up. */
export async function untilEnded({ givenUp }: MeshKeeper, { interrupts, terminal }: Session): Promise<number> {
  const interrupted = new Promise<undefined>((resolve) => {
    if (interrupts.first.aborted) resolve(undefined);
    interrupts.first.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  const failure = await Promise.race([interrupted, givenUp]);
  if (failure !== undefined) throw failure;
  terminal.note("ending the mesh … (once more: at once)");
  return EXIT.ok;
}

export function upLines({ file }: MeshKeeper, { terminal }: Session): string[] {
  const { good, quiet } = styleFor(terminal.stderr);
  const { coordination, process: process_, execution } = file.addresses;
  return [
    `${good("the mesh is up")}: coordination ${coordination}  ${quiet(`process ${process_}  execution ${execution}`)}`,
  ];
}

type Files = Pick<MeshKeeperOptions, "accounts"> & { readonly prices: string };

/** The accounts and prices to start with, read through so that what is wrong with them is told before anything starts. */
async function checkedFiles({ accounts, prices = SHIPPED.prices, state }: UpOptions): Promise<Files> {
  // The journal knows its accounts: without a file they stay as they are.
  const isNew = !existsSync(join(state, "coordination.sqlite"));
  const chosen = accounts ?? (isNew ? SHIPPED.accounts : undefined);
  if (chosen !== undefined) await readDocumentFile(chosen, readAccountsDocument);
  await readDocumentFile(prices, readPricesDocument);
  return chosen === undefined ? { prices } : { accounts: chosen, prices };
}

/** Says which of the files are the shipped ones, because nobody asked for them. */
function exampleLines(files: Files, { accounts, prices }: UpOptions): string[] {
  return [
    ...(accounts === undefined && files.accounts !== undefined
      ? [`accounts: ${files.accounts} (yours: --accounts FILE)`]
      : []),
    ...(prices === undefined ? [`prices: ${files.prices} (yours: --prices FILE)`] : []),
  ];
}
