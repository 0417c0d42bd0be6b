import * as Sentry from "@sentry/node";
import { type Client, correlationTagger, createClient } from "@signalbox/experience-sdk";
import { experiences } from "@signalbox/experience-sdk/fastify";
import fastify, { type FastifyInstance } from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ExperienceServer, startExperienceServer } from "./experience-server.js";

let signalbox: ExperienceServer;
let client: Client;
let app: FastifyInstance;
let url: string;

beforeAll(async () => {
  signalbox = await startExperienceServer();
  const projects = await signalbox.installation.command("project", "list");
  const dsn: string = Array.isArray(projects) ? projects[0].dsn : "";
  Sentry.init({ dsn, defaultIntegrations: false });
  Sentry.addEventProcessor(correlationTagger());
  client = createClient({
    endpoint: signalbox.server.url,
    token: signalbox.writeToken,
    type: "web",
    definitions: "remote",
    maxBatchWaitMs: 50,
  });
  app = fastify();
  await app.register(experiences(client));
  // The import's own mistake: it reports what went wrong and forgets to end the journey.
  app.post<{ Querystring: { fresh?: string } }>("/import", async (request) => {
    client.start("short_import").checkpoint("downloaded");
    const failure = new RangeError("the archive is empty");
    // Errors of another name are another issue.
    if (request.query.fresh) failure.name = request.query.fresh;
    Sentry.captureException(failure);
    return {};
  });
  url = await app.listen({ port: 0, host: "127.0.0.1" });
});

afterAll(async () => {
  await app?.close();
  await client?.shutdown();
  await Sentry.close(2_000);
  await signalbox?.close();
});

interface Entry {
  readonly id: string;
  readonly kind: string;
  readonly title: string;
  readonly status: string;
  readonly link: string;
  readonly related: readonly string[];
}

test("PF-071 PF-070 XP-115 ET-140 a journey that timed out leads to the error of @sentry/node, and the error to the journey", async () => {
  const answer = await fetch(`${url}/import`, { method: "POST" });
  const correlationId = answer.headers.get("x-correlation-id") ?? "";
  await Promise.all([client.flush(), Sentry.flush(5_000)]);

  const timeline = async (id: string): Promise<{ entries: Entry[]; complete: boolean }> =>
    (await signalbox.get(`/api/v1/timeline/${id}`)).body;
  const found = async (kind: string): Promise<Entry | undefined> =>
    (await timeline(correlationId)).entries.find((entry) => entry.kind === kind);
  await expect.poll(async () => (await found("journey"))?.status, { timeout: 60_000 }).toBe("timed_out");
  await expect.poll(async () => (await found("error"))?.title, { timeout: 30_000 }).toContain("the archive is empty");

  // From the journey to the error, where it can be read in full.
  const journey = await found("journey");
  const error = await found("error");
  expect(journey).toMatchObject({ title: "short_import" });
  expect(journey?.related).toContain(error?.id);
  const event = await signalbox.get(error?.link ?? "");
  expect(event.status).toBe(200);
  expect(JSON.stringify(event.body)).toContain("the archive is empty");

  // And from the error's own correlation id back to the journey.
  const carried = JSON.parse(event.body.payload).tags;
  expect(JSON.stringify(carried)).toContain(correlationId);
  const back = await timeline(correlationId.toLowerCase());
  const fromError = back.entries.find(({ kind }) => kind === "error");
  expect(fromError?.related).toContain(journey?.id);
  const run = await signalbox.get(journey?.link ?? "");
  expect([run.status, run.body.state]).toEqual([200, "timed_out"]);
});

test("PF-070 the story is in order: journey, its checkpoints, the error, the event that it became an issue", async () => {
  const answer = await fetch(`${url}/import?fresh=NoArchiveError`, { method: "POST" });
  const correlationId = answer.headers.get("x-correlation-id") ?? "";
  await Promise.all([client.flush(), Sentry.flush(5_000)]);
  const entries = async (): Promise<Entry[]> => (await signalbox.get(`/api/v1/timeline/${correlationId}`)).body.entries;
  const story = async () => [...new Set((await entries()).map(({ kind }) => kind))];
  await expect.poll(story, { timeout: 60_000 }).toEqual(["journey", "checkpoint", "error", "event"]);
  const event = (await entries()).find(({ kind }) => kind === "event");
  expect(event?.title).toBe("error_tracking.issue_created");
});

test("PF-070 a token sees errors of its projects alone; the rest is only counted", async () => {
  const correlationId =
    (await fetch(`${url}/import?fresh=BadArchiveError`, { method: "POST" })).headers.get("x-correlation-id") ?? "";
  await Promise.all([client.flush(), Sentry.flush(5_000)]);
  const { command } = signalbox.installation;
  const other = JSON.parse(JSON.stringify(await command("project", "create", "Somebody else's")));
  const made = await command("token", "create", "--scope", "timeline:read", "--project", String(other.id));
  const token = typeof made === "object" && made && "token" in made ? String(made.token) : "";
  const narrow = async () => {
    const answer = await fetch(`${signalbox.server.url}/api/v1/timeline/${correlationId}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return answer.json();
  };
  const hidden = async () => {
    const { sources }: { sources: { name: string; not_visible_to_you: number }[] } = JSON.parse(
      JSON.stringify(await narrow()),
    );
    return Object.fromEntries(sources.map(({ name, not_visible_to_you }) => [name, not_visible_to_you > 0]));
  };
  await expect.poll(hidden, { timeout: 30_000 }).toMatchObject({ journeys: false, errors: true, events: true });
});
