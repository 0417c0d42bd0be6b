import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SignalboxInstallation, SignalboxServer } from "../servers/signalbox.js";
import { installSignalbox } from "../servers/signalbox.js";

/** A running server with definitions of journeys, and what tests ask of it. */
export interface ExperienceServer {
  readonly installation: SignalboxInstallation;
  server: SignalboxServer;
  /** May write checkpoints. */
  readonly writeToken: string;
  /** May read everything. */
  readonly readToken: string;
  /** The parsed answer to a GET with a token that may read everything. */
  get(path: string): Promise<{ readonly status: number; readonly body: Answer }>;
  /** State of a run, `missing` when there is none. */
  stateOf(id: string, correlationId: string): Promise<string>;
  /** Samples of `/metrics` whose names begin so, by name with labels; those at zero are left out. */
  metrics(prefix: string): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

/** JSON of an answer, for tests to look into. */
// biome-ignore lint/suspicious/noExplicitAny: each test knows the shape that it asks for
export type Answer = any;

const definitions: Readonly<Record<string, string>> = {
  checkout: "description: A user pays\nfeature_category: shop\nurgency: sync_fast\n",
  import_project: "description: A project is imported\nfeature_category: importers\nurgency: async_fast\n",
  short_import:
    "description: An import with little patience\nfeature_category: importers\nurgency: custom\napdex_threshold_s: 1\ntimeout_s: 4\n",
};

/** @param environment further `SIGNALBOX_*` variables */
export async function startExperienceServer(environment: Record<string, string> = {}): Promise<ExperienceServer> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-journeys-"));
  const folder = join(directory, "definitions");
  await mkdir(folder);
  for (const [id, text] of Object.entries(definitions)) await writeFile(join(folder, `${id}.yml`), text);
  const installation = await installSignalbox({
    dataDirectory: join(directory, "data"),
    env: { SIGNALBOX_EXPERIENCE_DEFINITIONS: folder, ...environment },
  });
  const server = await installation.start();
  const token = async (scope: string): Promise<string> => {
    const made = await installation.command("token", "create", "--scope", scope);
    if (typeof made === "object" && made && "token" in made && typeof made.token === "string") return made.token;
    throw new Error("no token was made");
  };
  const writeToken = await token("experience:write");
  const readToken = await token("experience:read,errors:read,events:read,relay:read,timeline:read");

  const experiences: ExperienceServer = {
    installation,
    server,
    writeToken,
    readToken,
    async get(path) {
      const answer = await fetch(`${experiences.server.url}${path}`, {
        headers: { authorization: `Bearer ${readToken}` },
      });
      return { status: answer.status, body: await answer.json() };
    },
    async stateOf(id, correlationId) {
      const { status, body } = await experiences.get(`/api/v1/experience/runs/${id}/${correlationId}`);
      return status === 404 ? "missing" : String(body.state);
    },
    async metrics(prefix) {
      const text = await (await fetch(`${experiences.server.metricsUrl}/metrics`)).text();
      const samples = text.split("\n").filter((line) => line.startsWith(prefix));
      const values = samples.map((line): [string, number] => {
        const space = line.lastIndexOf(" ");
        return [line.slice(0, space), Number(line.slice(space + 1))];
      });
      return Object.fromEntries(values.filter(([, value]) => value !== 0));
    },
    async close() {
      await experiences.server.stop();
      await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
  return experiences;
}

/** Sum of the samples whose names hold all these texts. */
export function sum(samples: Readonly<Record<string, number>>, ...parts: readonly string[]): number {
  return Object.entries(samples)
    .filter(([name]) => parts.every((part) => name.includes(part)))
    .reduce((total, [, value]) => total + value, 0);
}
