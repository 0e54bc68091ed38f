/** A service for this room's tests, with one method of each kind; made at runtime so that the contract stays free of it. */
import { create, createFileRegistry, type Message } from "@bufbuild/protobuf";
import type { GenMessage, GenService } from "@bufbuild/protobuf/codegenv2";
import {
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

/** One message; `items` makes it a batch. */
export type Echo = Message<"bursar.testing.Echo"> & { text: string; number: number; items: EchoItem[] };
export type EchoItem = Message<"bursar.testing.EchoItem"> & { id: string; amount: number };

interface EchoMethod<Kind extends "unary" | "server_streaming" | "client_streaming" | "bidi_streaming"> {
  methodKind: Kind;
  input: GenMessage<Echo>;
  output: GenMessage<Echo>;
}

const method = (name: string, clientStreaming: boolean, serverStreaming: boolean) => ({
  name,
  inputType: ".bursar.testing.Echo",
  outputType: ".bursar.testing.Echo",
  clientStreaming,
  serverStreaming,
});

const field = (name: string, number: number, type: Type) => ({ name, number, type, label: Label.OPTIONAL });

const file = create(FileDescriptorProtoSchema, {
  name: "bursar/testing/echo.proto",
  package: "bursar.testing",
  syntax: "proto3",
  messageType: [
    { name: "EchoItem", field: [field("id", 1, Type.STRING), field("amount", 2, Type.UINT32)] },
    {
      name: "Echo",
      field: [
        field("text", 1, Type.STRING),
        field("number", 2, Type.UINT32),
        { name: "items", number: 3, type: Type.MESSAGE, label: Label.REPEATED, typeName: ".bursar.testing.EchoItem" },
      ],
    },
  ],
  service: [
    {
      name: "EchoService",
      method: [
        method("Say", false, false),
        method("Count", false, true),
        method("Collect", true, false),
        method("Chat", true, true),
        method("Unserved", false, false),
      ],
    },
  ],
});

const registry = createFileRegistry(file, () => undefined);

export const EchoService = registry.getService("bursar.testing.EchoService") as unknown as GenService<{
  say: EchoMethod<"unary">;
  count: EchoMethod<"server_streaming">;
  collect: EchoMethod<"client_streaming">;
  chat: EchoMethod<"bidi_streaming">;
  unserved: EchoMethod<"unary">;
}>;

export const EchoSchema = EchoService.method.say.input;
