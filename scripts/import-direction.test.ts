import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { findWrongImports } from "./import-direction.mjs";

let root = "";
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("import direction", () => {
  test("accepts imports that point down", () => {
    given({
      "apps/server/main.ts": `import { tracker } from "@x/tracker";\nexport * from "./compose.js";`,
      "services/tracker/service.ts": `import type { Clock } from "@x/kernel";`,
      "packages/database/index.ts": `import { clock } from "@x/kernel/testing";`,
    });
    expect(findWrongImports(root)).toEqual([]);
  });

  test("finds a package that imports a service", () => {
    given({ "packages/kernel/index.ts": `export { tracker } from "@x/tracker";` });
    expect(findWrongImports(root)).toEqual([
      "packages/kernel/index.ts imports @x/tracker: packages/kernel lies below services/tracker",
    ]);
  });

  test("finds a service that imports an app, also lazily", () => {
    given({ "services/tracker/service.ts": `const server = await import("@x/server");` });
    expect(findWrongImports(root)).toEqual([
      "services/tracker/service.ts imports @x/server: services/tracker lies below apps/server",
    ]);
  });

  test("finds a service that imports another service", () => {
    given({ "services/tracker/service.ts": `import { errors } from "@x/errors";` });
    expect(findWrongImports(root)).toEqual([
      "services/tracker/service.ts imports @x/errors: services do not know each other",
    ]);
  });

  test("finds a relative path into another workspace", () => {
    given({ "services/tracker/http/edge.ts": `import { errors } from "../../errors/index.js";` });
    expect(findWrongImports(root)).toEqual([
      "services/tracker/http/edge.ts imports ../../errors/index.js: the path leaves its workspace",
    ]);
  });

  test("finds a published package that uses a private one", () => {
    given({ "packages/kernel/index.ts": `import "@x/http";` });
    expect(findWrongImports(root)).toEqual([
      "packages/kernel/index.ts imports @x/http: a published package cannot use a private one",
    ]);
  });

  test("keeps the real servers of tests out of the product but not out of tests", () => {
    given({
      "packages/database/index.ts": `import { startPostgres } from "@x/testing/servers";`,
      "packages/database/index.test.ts": `import { startPostgres } from "@x/testing/servers";`,
    });
    expect(findWrongImports(root)).toEqual([
      "packages/database/index.ts imports @x/testing/servers: packages/database lies below testing",
    ]);
  });
});

function given(files: Record<string, string>): void {
  root = mkdtempSync(join(tmpdir(), "signalbox-imports-"));
  write("package.json", JSON.stringify({ workspaces: ["packages/*", "services/*", "apps/*", "testing"] }));
  for (const folder of ["packages/kernel", "packages/database", "services/tracker", "services/errors", "apps/server"]) {
    const isPrivate = !folder.startsWith("packages/");
    write(`${folder}/package.json`, JSON.stringify({ name: `@x/${folder.split("/")[1]}`, private: isPrivate }));
  }
  write("packages/http/package.json", JSON.stringify({ name: "@x/http", private: true }));
  write("testing/package.json", JSON.stringify({ name: "@x/testing", private: true }));
  for (const [path, content] of Object.entries(files)) write(path, content);
}

function write(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}
