/** The way from a command to the mesh: which address, one connection, and what to say when nobody answers. */
import { CoordinationService } from "#gen/bursar/v1/coordination_service_pb.js";
import { WatchService } from "#gen/bursar/v1/watch_service_pb.js";
import { type Client, type Connection, connect, TransportError } from "#rpc";
import { CommandError } from "./command-error.ts";
import { EXIT } from "./exit-code.ts";
import { type MeshFile, readMeshFile } from "./mesh/mesh-file.ts";
import type { CommonOptions, Session } from "./session.ts";
import { plainLine } from "./view/plain-text.ts";

/** Where coordination listens when nothing says otherwise. */
export const DEFAULT_ADDRESS = "127.0.0.1:7410";

export interface Mesh {
  /** Of coordination. */
  readonly address: string;
  readonly coordination: Client<typeof CoordinationService>;
  readonly watch: Client<typeof WatchService>;
  /** What the state folder says about the mesh; absent when the address came from elsewhere. */
  readonly file: MeshFile | undefined;
  /** A connection to another daemon; closed with the mesh. */
  connectTo(address: string): Connection;
  close(): void;
}

export interface MeshAddress {
  readonly address: string;
  readonly file: MeshFile | undefined;
}

/** The address that was given, else the one in the state folder, else the usual one. */
export function meshAddress({ address, state }: Pick<CommonOptions, "address" | "state">): MeshAddress {
  if (address !== undefined) return { address, file: undefined };
  const file = readMeshFile(state);
  return { address: file?.addresses.coordination ?? DEFAULT_ADDRESS, file };
}

export function openMesh({ clock }: Pick<Session, "clock">, { address, file }: MeshAddress): Mesh {
  const opened: Connection[] = [];
  const connectTo = (target: string): Connection => {
    const connection = connect({ address: target, clock });
    opened.push(connection);
    return connection;
  };
  const first = connectTo(address);
  return {
    address,
    file,
    coordination: first.client(CoordinationService),
    watch: first.client(WatchService),
    connectTo,
    close: () => {
      for (const connection of opened) connection.close();
    },
  };
}

/** Does `work` with an open mesh and closes it. An unreachable mesh becomes a failure that says what to do. */
export async function withMesh<T>(
  session: Session,
  options: CommonOptions,
  work: (mesh: Mesh) => Promise<T>,
): Promise<T> {
  const mesh = openMesh(session, meshAddress(options));
  try {
    return await work(mesh);
  } catch (error) {
    throw isUnreachable(error) && !session.interrupts.first.aborted
      ? unreachableMesh(mesh, session, options, error)
      : error;
  } finally {
    mesh.close();
  }
}

/** Whether nobody answered, as opposed to an answer that says no. */
export function isUnreachable(error: unknown): error is TransportError {
  return error instanceof TransportError && (error.status === "UNAVAILABLE" || error.status === "DEADLINE_EXCEEDED");
}

/** Whether a call ended because its caller wanted it to. */
export function isCancelled(error: unknown): boolean {
  return error instanceof TransportError && error.status === "CANCELLED";
}

function unreachableMesh(
  mesh: Mesh,
  { calledAs }: Session,
  { state }: CommonOptions,
  cause: TransportError,
): CommandError {
  const advice =
    mesh.file === undefined
      ? [
          `start one here with: ${calledAs} up`,
          "or say where one runs: --address HOST:PORT, or --state with its state folder",
        ]
      : [
          `${state}/mesh.json names this address, so its mesh was not stopped in good order, or is starting again just now`,
          `look whether it runs (process ${mesh.file.pids.supervisor}), or start it again with: ${calledAs} up`,
        ];
  const slow = cause.status === "DEADLINE_EXCEEDED";
  const what = slow ? "did not answer in time" : "cannot be reached";
  return new CommandError(`the mesh at ${mesh.address} ${what}: ${reasonOf(cause)}`, {
    exitCode: EXIT.unreachable,
    advice,
    cause,
  });
}

/** What the transport says, in the words of whoever has to mend it. */
function reasonOf({ message }: TransportError): string {
  if (message.includes("ECONNREFUSED")) return "nothing listens there";
  if (/ENOTFOUND|EAI_AGAIN|Name resolution failed/.test(message)) return "there is no host of that name";
  return plainLine(message.replace(/\. Resolution note: *$/, ""));
}
