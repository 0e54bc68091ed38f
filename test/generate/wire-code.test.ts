import type { DescFile } from "@bufbuild/protobuf";
import { file_google_protobuf_struct } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { file_bursar_v1_meter_service } from "../../shared/gen/bursar/v1/meter_service_pb.js";
import { wireCode } from "./wire-code.ts";

/** A file behind those that it needs. */
function withDependencies(file: DescFile): DescFile[] {
  return [...new Set([...file.dependencies.flatMap(withDependencies), file])];
}

const generate = (file: DescFile, ...roots: string[]): string =>
  wireCode({ files: withDependencies(file).map(({ proto }) => proto), roots });

test("a message comes with what it holds, and nothing else", () => {
  const code = generate(file_bursar_v1_meter_service, "bursar.v1.Held");
  const names = [...code.matchAll(/function (read\w+|write\w+)/g)].map(([, name]) => name);
  expect(names).toEqual([
    "readBursarV1Held",
    "writeBursarV1Held",
    "readBursarV1ResourceAmounts",
    "writeBursarV1ResourceAmounts",
  ]);
});

test("what has no code is refused when it is generated", () => {
  const struct = () => generate(file_google_protobuf_struct, "google.protobuf.Struct");
  expect(struct).toThrow(/fields: a map other than of text to text is not supported in a hot message/);
  expect(() => generate(file_bursar_v1_meter_service, "bursar.v1.Nothing")).toThrow(
    "there is no message bursar.v1.Nothing",
  );
});
