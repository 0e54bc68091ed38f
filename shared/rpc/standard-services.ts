/** The services that every gRPC server is expected to have: health (grpc.health.v1) and reflection (grpc.reflection.v1). */
import type { DescFile } from "@bufbuild/protobuf";
import { toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { Server } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation, service as healthService } from "grpc-health-check";
import type { ServiceDescriptor } from "./service-handlers.ts";

export interface HealthSwitch {
  /** SERVING or NOT_SERVING, for the whole server (the empty name) and each of its services. */
  setServing(serving: boolean): void;
}

/** Adds the health service; it says SERVING from the start. */
export function addHealth(server: Server, services: readonly ServiceDescriptor[]): HealthSwitch {
  const names = ["", ...services.map(({ typeName }) => typeName)];
  const health = new HealthImplementation(Object.fromEntries(names.map((name) => [name, "SERVING"])));
  health.addToServer(server);
  return {
    setServing: (serving) => {
      for (const name of names) health.setStatus(name, serving ? "SERVING" : "NOT_SERVING");
    },
  };
}

/** Adds reflection for these services and the health service, from the descriptors the stubs were generated from. */
export function addReflection(server: Server, services: readonly ServiceDescriptor[]): void {
  const files = new Map<string, Buffer>();
  for (const { file } of services) collectFiles(file, files);
  // The library reads one property of what proto-loader makes; descriptors of any origin fit it.
  const own = { fileDescriptorProtos: [...files.values()] };
  const health = Object.values(healthService).map(({ requestType }) => requestType);
  const definition = Object.fromEntries([own, ...health].map((source, index) => [`source${index}`, source]));
  new ReflectionService(definition as unknown as ConstructorParameters<typeof ReflectionService>[0]).addToServer(
    server,
  );
}

function collectFiles(file: DescFile, into: Map<string, Buffer>): void {
  if (into.has(file.proto.name)) return;
  into.set(file.proto.name, Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
  for (const dependency of file.dependencies) collectFiles(dependency, into);
}
