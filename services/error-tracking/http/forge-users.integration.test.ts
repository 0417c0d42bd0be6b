import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthenticator, createTokenKey } from "@signalbox/http";
import { startTestIssuer, type TestIssuer } from "@signalbox/http/testing";
import { defineSchema, readConfig, systemClock } from "@signalbox/kernel";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { errorTrackingSection } from "../config.js";
import { digestErrors } from "../digest/digest-errors.js";
import { ruleErrors } from "../grouping/rule-errors.js";
import { issueErrors } from "../issues/issue-errors.js";
import { readErrors } from "../issues/read-errors.js";
import { projectErrors } from "../projects/project-errors.js";
import { type ApiKit, openApiKit } from "../testing/api-kit.js";
import { errorPayload } from "../testing/received-event.js";
import { ingestErrors } from "./ingest-errors.js";

let engine: ClickHouseHttpServer;
let forge: TestIssuer;
let kit: ApiKit;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "forge-users-"));
  engine = await startClickHouseHttp();
  forge = await startTestIssuer();
  await forge.addKey("ES256");
  const authenticator = createAuthenticator({
    key: await createTokenKey(directory),
    isRevoked: () => false,
    issuers: [
      {
        issuer: forge.url,
        scopes: {
          claim: "groups",
          mapping: {
            guests: ["errors:read"],
            developers: ["errors:read", "errors:write"],
            maintainers: ["errors:read", "errors:write", "errors:admin"],
          },
        },
      },
    ],
  });
  kit = await openApiKit(engine.url, systemClock, undefined, { authenticator });
});
afterAll(async () => {
  await kit?.close();
  await forge?.close();
  await engine?.stop();
  await rm(directory, { recursive: true, force: true });
});

const tokenOf = (sub: string, ...groups: string[]) => forge.sign({ sub, groups });

test("ET-249 people of the forge read, work on errors and run projects by the groups that they have there", async () => {
  const project = await kit.newProject();
  await kit.store(project, [errorPayload("a")]);
  const base = `/api/v1/projects/${project}`;
  const [guest, developer, maintainer, stranger] = await Promise.all([
    tokenOf("gina", "guests"),
    tokenOf("dora", "developers"),
    tokenOf("mary", "maintainers"),
    tokenOf("eve", "elsewhere"),
  ]);
  const status = async (...call: Parameters<ApiKit["call"]>) => (await kit.call(...call)).statusCode;
  const [issue] = (await kit.call("GET", `${base}/errors`, undefined, guest)).json();
  const url = `${base}/errors/${issue.fingerprint}`;

  expect(await status("PATCH", url, { status: "resolved" }, guest)).toBe(403);
  expect(await status("PATCH", url, { status: "resolved", assigned_to: "dora" }, developer)).toBe(200);
  expect(await status("POST", `${url}/comments`, { text: "mine" }, developer)).toBe(201);
  expect(await status("PATCH", base, { name: "Store" }, developer)).toBe(403);
  expect(await status("PATCH", base, { name: "Store" }, maintainer)).toBe(200);
  expect(await status("GET", `${base}/errors`, undefined, stranger)).not.toBe(200);
  expect(await status("GET", `${base}/errors`, undefined, "no token at all")).toBe(401);

  // They are who they are there.
  expect((await kit.call("GET", `${url}/comments`, undefined, guest)).json()).toMatchObject([{ author: "dora" }]);
  expect(
    (await kit.call("GET", `${base}/errors?status=resolved&query=assigned:me`, undefined, developer)).json(),
  ).toEqual([expect.objectContaining({ assigned_to: "dora" })]);
});

test("ET-249 no key buys a function: nothing is configured and nothing is refused for want of a licence", () => {
  const { values } = readConfig({ schema: defineSchema({ error_tracking: errorTrackingSection }), env: {} });
  const catalogues = [ingestErrors, projectErrors, readErrors, issueErrors, ruleErrors, digestErrors];
  const codes = catalogues.flatMap(({ entries }) => Object.keys(entries));
  const words = [JSON.stringify(values), ...codes].join(" ");
  expect(codes.length).toBeGreaterThan(30);
  expect(words).not.toMatch(/licen[cs]e|premium|enterprise|subscription|payment/i);
});
