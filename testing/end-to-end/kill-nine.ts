import { randomUUID } from "node:crypto";
import { request } from "node:http";
import { gzipSync } from "node:zlib";
import type { SignalboxInstallation, SignalboxServer } from "../servers/signalbox.js";

export interface KillNineOptions {
  readonly installation: SignalboxInstallation;
  readonly envelopes: number;
  readonly connections: number;
  readonly kills: number;
  readonly say?: (line: string) => void;
  /** After each 200, with how many there are; its sender waits for it. */
  readonly onAcknowledged?: (count: number) => Promise<void>;
}

export interface KillNineResult {
  /** Event ids whose envelope was answered with 200. */
  readonly acknowledged: ReadonlySet<string>;
  /** How often each event id is found in the API afterwards. */
  readonly stored: ReadonlyMap<string, number>;
  /** Sum of the issues' counts. */
  readonly counted: number;
  /** Sends that ended without an answer; the envelope was sent again. */
  readonly interrupted: number;
  readonly server: SignalboxServer;
}

/**
 * Sends envelopes over several connections while the server is killed with SIGKILL and started again. An envelope
 * without an answer is sent again with the same event id, as a careful client would, until it gets its 200.
 * Resolves when everything acknowledged can be read, or when nothing more appears.
 */
export async function killNine(options: KillNineOptions): Promise<KillNineResult> {
  const say = options.say ?? (() => {});
  let server = await options.installation.start();
  const dsn = new URL(await projectDsn(options.installation));
  const target = {
    port: Number(new URL(server.url).port),
    path: `/api${dsn.pathname}/envelope/`,
    auth: `Sentry sentry_version=7, sentry_client=kill-nine/1, sentry_key=${dsn.username}`,
  };

  const acknowledged = new Set<string>();
  let interrupted = 0;
  let next = 0;
  let hasFailed = false;
  const sender = async (): Promise<void> => {
    for (let index = next++; index < options.envelopes && !hasFailed; index = next++) {
      const eventId = randomUUID().replaceAll("-", "");
      const body = gzipSync(errorEnvelope(eventId, index));
      while (!hasFailed) {
        const status = await post(target, body).catch(() => 0);
        if (status === 200) break;
        if (status !== 0 && status !== 503) throw new Error(`envelope ${index} was answered with ${status}`);
        interrupted++;
        await sleep(50);
      }
      acknowledged.add(eventId);
      await options.onAcknowledged?.(acknowledged.size);
    }
  };

  const killer = async (): Promise<void> => {
    for (let kill = 1; kill <= options.kills; kill++) {
      const when = Math.floor((options.envelopes * kill) / (options.kills + 1));
      while (acknowledged.size < when && !hasFailed) await sleep(2);
      if (hasFailed) return;
      server.kill("SIGKILL");
      await server.ended;
      say(`killed after ${acknowledged.size} acknowledged envelopes`);
      server = await options.installation.start();
    }
  };

  const work = [killer(), ...Array.from({ length: options.connections }, sender)];
  const ends = await Promise.allSettled(
    work.map((part) =>
      part.catch((error: unknown) => {
        hasFailed = true;
        throw error;
      }),
    ),
  );
  const failure = ends.find((end) => end.status === "rejected");
  if (failure) {
    server.kill("SIGKILL");
    throw failure.reason;
  }
  say(`${acknowledged.size} acknowledged, ${interrupted} sends interrupted`);

  const token = await readToken(options.installation);
  let stored = new Map<string, number>();
  let counted = 0;
  for (let idleRounds = 0; idleRounds < 100; idleRounds++) {
    const found = await readEverything(server.url, token);
    if (found.stored.size > stored.size || found.counted > counted) idleRounds = 0;
    ({ stored, counted } = found);
    if (stored.size >= acknowledged.size && counted >= acknowledged.size) break;
    await sleep(200);
  }
  return { acknowledged, stored, counted, interrupted, server };
}

async function projectDsn(installation: SignalboxInstallation): Promise<string> {
  const projects = await installation.command("project", "list");
  const first: unknown = Array.isArray(projects) ? projects[0] : undefined;
  if (typeof first === "object" && first && "dsn" in first && typeof first.dsn === "string") return first.dsn;
  throw new Error("the installation has no project");
}

async function readToken(installation: SignalboxInstallation): Promise<string> {
  const answer = await installation.command("token", "create", "--scope", "errors:read");
  if (typeof answer === "object" && answer && "token" in answer && typeof answer.token === "string")
    return answer.token;
  throw new Error("no token was made");
}

function errorEnvelope(eventId: string, index: number): string {
  const event = {
    event_id: eventId,
    timestamp: Date.now() / 1000,
    platform: "node",
    level: "error",
    exception: {
      values: [
        {
          type: `KillNineError${index % 7}`,
          value: `number ${index}`,
          stacktrace: {
            frames: [
              { filename: "app.js", function: "main", lineno: 1, in_app: true, context_line: "main();" },
              {
                filename: "work.js",
                function: `step${index % 7}`,
                lineno: 20,
                in_app: true,
                context_line: "throw error;",
              },
            ],
          },
        },
      ],
    },
  };
  const payload = JSON.stringify(event);
  return `{"event_id":"${eventId}"}\n{"type":"event","length":${Buffer.byteLength(payload)}}\n${payload}\n`;
}

function post(target: { port: number; path: string; auth: string }, body: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: "127.0.0.1",
        port: target.port,
        path: target.path,
        method: "POST",
        headers: {
          "Content-Type": "application/x-sentry-envelope",
          "Content-Encoding": "gzip",
          "Content-Length": body.byteLength,
          "X-Sentry-Auth": target.auth,
        },
      },
      (answer) => {
        answer.on("error", reject);
        answer.on("end", () => resolve(answer.statusCode ?? 0));
        answer.resume();
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

async function readEverything(url: string, token: string): Promise<{ stored: Map<string, number>; counted: number }> {
  const stored = new Map<string, number>();
  let counted = 0;
  for (const issue of await readPages(`${url}/api/v1/projects/1/errors?limit=100`, token)) {
    counted += Number(issue["event_count"]);
    for (const event of await readPages(
      `${url}/api/v1/projects/1/errors/${issue["fingerprint"]}/events?limit=100`,
      token,
    )) {
      const eventId = String(event["event_id"]).replaceAll("-", "");
      stored.set(eventId, (stored.get(eventId) ?? 0) + 1);
    }
  }
  return { stored, counted };
}

async function readPages(firstUrl: string, token: string): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for (let url: string | undefined = firstUrl; url; ) {
    const answer: Response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    if (answer.status === 503) {
      await sleep(200);
      continue;
    }
    if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
    const page: unknown = await answer.json();
    if (Array.isArray(page)) rows.push(...page);
    const next = /<([^>]+)>; rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
    url = next && new URL(next, firstUrl).href;
  }
  return rows;
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
