/** A parent's server and children of both kinds over loopback, for the tests of links; everything ends with the test. */
import { onTestFinished, vi } from "vitest";
import { BudgetService } from "#gen/bursar/v1/budget_service_pb.js";
import type { DownItem, Hello, Link, UpItem } from "#ports";
import { dialBudgetService } from "../child-link.ts";
import type { DuplexStream } from "../duplex-stream.ts";
import { type Connection, connect } from "../grpc-client.ts";
import { type GrpcServer, startGrpcServer } from "../grpc-server.ts";
import { bindBudgetService } from "../parent-link.ts";
import { testClock } from "./echo-mesh.ts";

/** One side of a link with everything that it was told. */
export class Side<Out, In> {
  readonly link: Link<Out, In>;
  readonly items: In[] = [];
  closed: { readonly error?: Error } | undefined;

  constructor(link: Link<Out, In>) {
    this.link = link;
    link.onItems((items) => this.items.push(...items));
    link.onClose((error) => {
      if (this.closed !== undefined) throw new Error("told of its end twice");
      this.closed = error === undefined ? {} : { error };
    });
  }
}

export type ChildSide = Side<UpItem, DownItem>;
export type ParentSide = Side<DownItem, UpItem>;

export interface Parent {
  readonly server: GrpcServer;
  readonly connection: Connection;
  readonly links: readonly ParentSide[];
  /** The first link, once it is there. */
  link(): Promise<ParentSide>;
}

export async function startParent(): Promise<Parent> {
  const links: ParentSide[] = [];
  const server = await startGrpcServer({
    listen: "127.0.0.1:0",
    allowInsecure: false,
    services: [bindBudgetService((link) => links.push(new Side(link)))],
    clock: testClock,
    onError: (failure) => {
      throw failure.error;
    },
  });
  const connection = connect({ address: server.address, clock: testClock });
  onTestFinished(() => {
    connection.close();
    server.kill();
  });
  return { server, connection, links, link: () => vi.waitFor(() => links[0] ?? fail("no link yet")) };
}

export function fail(message: string): never {
  throw new Error(message);
}

export function dial({ connection }: Pick<Parent, "connection">): ChildSide {
  return new Side(dialBudgetService(connection));
}

export const hello: Hello = {
  instance: "execution-1",
  incarnation: "life-1",
  journalId: "journal-1",
  address: "127.0.0.1:7603",
  tier: "execution",
  capacity: 4,
  life: 3,
  clockMarkMs: 250,
  allocations: [],
};

const { allocations: _, life, clockMarkMs = 0, ...said } = hello;
/** As a message, without allocations. */
export const rawHello = { ...said, life: BigInt(life), clockMarkMs: BigInt(clockMarkMs) };

/** A stream by itself, with everything that came on it and how it ended. */
function watched<In, Out>(stream: DuplexStream<In, Out>) {
  const messages: In[] = [];
  stream.onMessage((message) => messages.push(message));
  const ended = new Promise<Error | undefined>((resolve) => stream.onEnd(resolve));
  return {
    send: (message: Out) => stream.send(message),
    close: () => stream.close(),
    pause: () => stream.pause(),
    messages,
    ended,
  };
}

/** Both streams as a child in another language would open them. */
export function rawStreams({ connection }: Parent) {
  const client = connection.client(BudgetService);
  return { grants: watched(client.streamGrants()), usage: watched(client.streamUsage()) };
}
