import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { installSignalbox, type SignalboxServer } from "@signalbox/testing/servers";
import { type HttpLoadResult, runHttpLoad } from "../load/http-load.js";

/** Where checkpoints are sent. */
export interface Target {
  readonly url: string;
  readonly token: string;
}

/** A data directory with a definition and a token. Servers of different roles may be started on it, one after the other. */
export interface Tracker {
  start(roles: string): Promise<SignalboxServer>;
  targetOf(server: SignalboxServer): Target;
}

/** A definition, a token and no limit of the rate, while `work` runs. */
export async function withTracker<T>(
  env: Readonly<Record<string, string>>,
  work: (tracker: Tracker) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  const definitions = join(directory, "definitions");
  await mkdir(definitions);
  await writeFile(
    join(definitions, "create_merge_request.yml"),
    "description: A user opens a merge request\nfeature_category: code_review_workflow\nurgency: sync_fast\n",
  );
  const install = (roles: string) =>
    installSignalbox({
      dataDirectory: join(directory, "data"),
      env: {
        SIGNALBOX_LOG_LEVEL: "error",
        SIGNALBOX_EXPERIENCE_DEFINITIONS: definitions,
        SIGNALBOX_EXPERIENCE_RATE: "1000000",
        SIGNALBOX_EXPERIENCE_BURST: "10000000",
        ...env,
      },
      flags: ["--only", roles],
    });
  const first = await install("tracker");
  const made = await first.command("token", "create", "--scope", "experience:write,experience:read");
  const token = typeof made === "object" && made !== null && "token" in made ? String(made.token) : "";
  try {
    return await work({
      start: async (roles) => (await install(roles)).start(),
      targetOf: ({ url }) => ({ url, token }),
    });
  } finally {
    await rm(directory, { recursive: true });
  }
}

export const connections = 64;

/** Each payload is a request of its own. */
export function sendOneByOne(target: Target, payloads: readonly object[]): Promise<HttpLoadResult> {
  return send(target, "", {
    bodies: payloads.map((payload) => Buffer.from(JSON.stringify(payload))),
  });
}

/** Gzipped batches, as fast as they are taken or so many in a second. */
export function sendBatches(
  target: Target,
  batches: readonly (readonly object[])[],
  ratePerSecond?: number,
): Promise<HttpLoadResult> {
  return send(target, "/batch", {
    bodies: batches.map((checkpoints) => gzipSync(JSON.stringify({ checkpoints }))),
    headers: { "Content-Encoding": "gzip" },
    ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
  });
}

interface Load {
  readonly bodies: readonly Uint8Array[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly ratePerSecond?: number;
}

function send({ url, token }: Target, path: string, load: Load): Promise<HttpLoadResult> {
  const { hostname, port } = new URL(url);
  return runHttpLoad({
    ...load,
    host: hostname,
    port: Number(port),
    path: `/api/v1/experience/checkpoints${path}`,
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}`, ...load.headers },
    connections,
    requests: load.bodies.length,
  });
}
