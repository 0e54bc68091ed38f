/** A channel of grpc-js, as far as shared/rpc uses one, over the simulated network. */
import type { Client as GrpcJsClient, Metadata } from "@grpc/grpc-js";
import type { VirtualProcess } from "../../../shared/tier/testing/virtual-clock.ts";
import type { Status } from "./ends.ts";
import type { Network } from "./network.ts";

export interface ChannelOptions {
  readonly from: string;
  readonly to: string;
  readonly process: VirtualProcess;
}

interface GrpcOptions {
  readonly deadline?: number;
}

type Same = (bytes: Buffer) => Buffer;
type Answered = (fault: (Error & Status) | null, answer?: Buffer) => void;

/** Only what grpc-client-calls.ts calls is there. */
export function channelOf(network: Network, { from, to, process }: ChannelOptions): GrpcJsClient {
  const open = (path: string, metadata: Metadata, { deadline }: GrpcOptions, request?: Buffer) => {
    const timeoutMs = deadline === undefined ? undefined : Math.max(0, deadline - process.wallMs());
    return network.open({ path, from, to, process, metadata, request, timeoutMs });
  };
  const channel = {
    makeUnaryRequest: (
      path: string,
      _serialize: Same,
      _deserialize: Same,
      bytes: Buffer,
      metadata: Metadata,
      options: GrpcOptions,
      answered: Answered,
    ) => {
      const { client } = open(path, metadata, options, bytes);
      let answer: Buffer | undefined;
      client.on("error", () => undefined);
      client.on("status", (status: Status) => {
        if (status.code === 0) answered(null, answer);
        else answered(Object.assign(new Error(status.details), status));
      });
      client.on("data", (received: Buffer) => {
        answer = received;
      });
      return client;
    },
    makeServerStreamRequest: (
      path: string,
      _serialize: Same,
      _deserialize: Same,
      bytes: Buffer,
      metadata: Metadata,
      options: GrpcOptions,
    ) => open(path, metadata, options, bytes).client,
    makeBidiStreamRequest: (
      path: string,
      _serialize: Same,
      _deserialize: Same,
      metadata: Metadata,
      options: GrpcOptions,
    ) => open(path, metadata, options).client,
    close: () => undefined,
  };
  return channel as unknown as GrpcJsClient;
}
