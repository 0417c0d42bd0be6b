import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { billOfMaterials, describeThirdParty, isAllowed, readThirdParty, shippedPackages } from "./third-party.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const lock = {
  packages: {
    "apps/server": { dependencies: { "@own/http": "*", web: "1.0.0" }, devDependencies: { tester: "1.0.0" } },
    "apps/pages": {},
    "packages/http": { dependencies: { web: "2.0.0" } },
    "node_modules/@own/http": { link: true, resolved: "packages/http" },
    "node_modules/web": { version: "1.0.0", license: "MIT", dependencies: { parts: "1.0.0" } },
    "node_modules/parts": {
      version: "1.0.0",
      license: "ISC",
      optionalDependencies: { "parts-linux": "1.0.0", absent: "1" },
    },
    "node_modules/parts-linux": { version: "1.0.0", license: "ISC" },
    "node_modules/pages-kit": { version: "3.0.0", license: "MIT" },
    "node_modules/tester": { version: "1.0.0", license: "GPL-3.0" },
    "packages/http/node_modules/web": { version: "2.0.0", license: "MIT" },
  },
};

test("follows what is needed through workspaces and nested folders, and leaves out what only builds and tests", () => {
  const found = shippedPackages(lock, { "apps/server": undefined, "apps/pages": ["pages-kit"] });
  expect(found.map(({ name, version }) => `${name} ${version}`)).toEqual([
    "pages-kit 3.0.0",
    "parts 1.0.0",
    "parts-linux 1.0.0",
    "web 1.0.0",
    "web 2.0.0",
  ]);
});

test.each([
  ["MIT", true],
  ["(MIT OR GPL-3.0-only)", true],
  ["MIT AND Apache-2.0", true],
  ["MIT AND SSPL-1.0", false],
  ["BUSL-1.1", false],
  ["Elastic-2.0", false],
  ["", false],
])("the licence %j is allowed: %s", (licence, expected) => {
  expect(isAllowed(licence)).toBe(expected);
});

test("PF-083 everything that is handed on has a licence that allows self-hosting and redistribution", () => {
  const packages = readThirdParty(root);
  const names = new Set(packages.map(({ name }) => name));
  for (const name of ["fastify", "libsql", "chdb", "bullmq", "pg", "react", "@mantine/core"])
    expect(names).toContain(name);
  expect(names).not.toContain("vitest");
  expect(packages.filter(({ licence }) => !isAllowed(licence))).toEqual([]);
});

test("PF-083 the bill of materials names each package with version, licence and hash", () => {
  const packages = readThirdParty(root);
  const bill = billOfMaterials(packages, { name: "signalbox", version: "1.2.3", license: "Apache-2.0" });
  expect(bill).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.5" });
  expect(bill.components).toHaveLength(packages.length);
  expect(bill.components.find(({ name }) => name === "@fastify/swagger")).toMatchObject({
    purl: expect.stringMatching(/^pkg:npm\/%40fastify\/swagger@\d/),
    licenses: [{ license: { id: "MIT" } }],
    hashes: [{ alg: "SHA-512", content: expect.stringMatching(/^[0-9a-f]{128}$/) }],
  });
});

test("PF-083 the document lists packages under their licences", () => {
  const text = describeThirdParty(shippedPackages(lock, { "apps/server": undefined }));
  expect(text).toContain("## ISC\n\n- parts 1.0.0\n- parts-linux 1.0.0\n\n## MIT\n\n- web 1.0.0\n- web 2.0.0\n");
});
