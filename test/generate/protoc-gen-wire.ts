/**
 * A plugin of `buf generate` that writes shared/gen/bursar/v1/hot_messages.js: for each message named in its options, and for what they
 * hold, one function that reads it from protobuf's bytes and one that writes it (docs/adr/0012-generated-wire-code.md).
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponse_Feature,
  CodeGeneratorResponseSchema,
} from "@bufbuild/protobuf/wkt";
import { wireCode, wireTypes } from "./wire-code.ts";

const input: Uint8Array[] = [];
for await (const chunk of process.stdin) input.push(chunk as Uint8Array);
const { parameter, protoFile } = fromBinary(CodeGeneratorRequestSchema, Buffer.concat(input));
const roots = parameter.split(",").filter((name) => name !== "");
const response = create(CodeGeneratorResponseSchema, {
  supportedFeatures: BigInt(CodeGeneratorResponse_Feature.PROTO3_OPTIONAL),
  file: [
    { name: "bursar/v1/hot_messages.js", content: wireCode({ files: protoFile, roots }) },
    { name: "bursar/v1/hot_messages.d.ts", content: wireTypes },
  ],
});
process.stdout.write(toBinary(CodeGeneratorResponseSchema, response));
