import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../testing/test-session.ts";
import { type MeshFile, readMeshFile, removeMeshFile, writeMeshFile } from "./mesh-file.ts";

const MESH: MeshFile = {
  addresses: { coordination: "127.0.0.1:1", process: "127.0.0.1:2", execution: "127.0.0.1:3" },
  pids: { supervisor: 10, coordination: 11, process: 12, execution: 13 },
};

test("what is written is read, until it is removed", () => {
  const state = temporaryFolder();
  expect(readMeshFile(state)).toBeUndefined();
  writeMeshFile(state, MESH);
  expect(readMeshFile(state)).toEqual(MESH);
  removeMeshFile(state);
  expect(readMeshFile(state)).toBeUndefined();
  expect(() => removeMeshFile(state)).not.toThrow();
});

test.each(["", "{", "null", "[]", '{"addresses":{},"pids":{}}', '{"addresses":null,"pids":1}'])(
  "%s is as good as no file",
  (text) => {
    const state = temporaryFolder();
    writeFileSync(join(state, "mesh.json"), text);
    expect(readMeshFile(state)).toBeUndefined();
  },
);
