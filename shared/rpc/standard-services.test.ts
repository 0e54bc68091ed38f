import { create, fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { credentials, Client as GrpcJsClient } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { echoMesh } from "./testing/echo-mesh.ts";
import { EchoSchema } from "./testing/echo-service.ts";

const same = (bytes: Buffer): Buffer => bytes;

function rawClient(address: string): GrpcJsClient {
  const client = new GrpcJsClient(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  return client;
}

/** A message with one string field, as both services ask. */
const withString = (field: number, text: string): Buffer =>
  Buffer.from(new BinaryWriter().tag(field, 2).string(text).finish());

/** Every occurrence of a length-delimited field, at one level. */
function fieldsOf(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(bytes);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === wanted && wireType === 2) found.push(reader.bytes());
    else reader.skip(wireType, field);
  }
  return found;
}

function watchHealth(address: string, service: string): { readonly next: () => Promise<number | undefined> } {
  const call = rawClient(address).makeServerStreamRequest(
    "/grpc.health.v1.Health/Watch",
    same,
    same,
    withString(1, service),
  );
  call.on("error", () => undefined);
  const iterator = call.iterator({ destroyOnReturn: false });
  return { next: async () => ((await iterator.next()).value as Buffer | undefined)?.[1] };
}

async function reflect(address: string, request: Buffer): Promise<Uint8Array> {
  const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  const call = rawClient(address).makeBidiStreamRequest(path, same, same);
  call.end(request);
  for await (const answer of call) return answer as Buffer;
  throw new Error("no answer");
}

test("health says SERVING, follows setServing, and NOT_SERVING when the daemon drains", async () => {
  const { server } = await echoMesh({ say: () => new Promise(() => undefined) });
  const whole = watchHealth(server.address, "");
  const service = watchHealth(server.address, "bursar.testing.EchoService");
  expect([await whole.next(), await service.next()]).toEqual([1, 1]);
  server.setServing(false);
  expect(await whole.next()).toBe(2);
  server.setServing(true);
  expect(await whole.next()).toBe(1);
  const drained = server.drain(0);
  expect(await whole.next()).toBe(2);
  await drained;
});

test("reflection lists the services and gives the file of a symbol", async () => {
  const { server } = await echoMesh({});
  const listed = await reflect(server.address, withString(7, "*"));
  const names = fieldsOf(fieldsOf(listed, 6)[0] ?? new Uint8Array(), 1).map((entry) =>
    Buffer.from(fieldsOf(entry, 1)[0] ?? []).toString(),
  );
  expect(names).toEqual(expect.arrayContaining(["bursar.testing.EchoService", "grpc.health.v1.Health"]));
  const found = await reflect(server.address, withString(4, "bursar.testing.EchoService"));
  const files = fieldsOf(fieldsOf(found, 4)[0] ?? new Uint8Array(), 1).map((bytes) =>
    fromBinary(FileDescriptorProtoSchema, bytes),
  );
  expect(files.map(({ name }) => name)).toEqual(["bursar/testing/echo.proto"]);
  expect(files[0]?.service[0]?.method.map(({ name }) => name)).toContain("Chat");
  expect(files[0]?.messageType.map(({ name }) => name)).toContain(create(EchoSchema).$typeName.split(".").at(-1));
});
