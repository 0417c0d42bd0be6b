import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "../servers/signalbox.js";
import { type Expected, type Language, languages, type Prepared } from "./languages.js";
import { type ArrivedEvent, problemsOf } from "./look-at-event.js";
import { printTable } from "./print-table.js";
import { hasPrograms } from "./toolchain.js";

const cache = fileURLToPath(new URL("../../.cache/conformance/", import.meta.url));
const messageTitle = "the shop closes";
const attachmentText = "two apples";

interface Row {
  readonly language: string;
  readonly sdk: string;
  readonly version: string;
  readonly exception: string;
  readonly message: string;
  readonly session: string;
  readonly attachment: string;
  readonly notes: string;
}

/** Everything that one language needs of the running server. */
interface Target {
  readonly server: SignalboxServer;
  readonly dataDirectory: string;
  readonly projectId: number;
  readonly dsn: string;
  readonly token: string;
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !languages.some((language) => language.name === name));
if (unknown.length > 0) {
  console.error(
    `Unknown: ${unknown.join(", ")}. There are programs for ${languages.map(({ name }) => name).join(", ")}.`,
  );
  process.exit(2);
}

const rows: Row[] = [];
for (const language of languages) {
  if (wanted.length > 0 && !wanted.includes(language.name)) continue;
  rows.push(await tryLanguage(language).catch((error: unknown) => failed(language, error)));
}
printTable(["language", "sdk", "version", "exception", "message", "session", "attachment", "notes"], rows);
if (rows.some((row) => Object.values(row).includes("WRONG"))) process.exitCode = 1;

function untried({ name, sdk }: Language): Row {
  return { language: name, sdk, version: "-", exception: "-", message: "-", session: "-", attachment: "-", notes: "" };
}

/** One that cannot be fetched, or whose program fails, does not keep the others from being tried. */
function failed(language: Language, error: unknown): Row {
  const notes = String(error).split("\n", 1)[0] ?? "";
  return { ...untried(language), exception: "WRONG", notes };
}

async function tryLanguage(language: Language): Promise<Row> {
  const row = untried(language);
  if (!(await hasPrograms(language.needs))) {
    return { ...row, notes: `not tried: needs ${language.needs.map(([program]) => program).join(" and ")}` };
  }
  console.log(`${language.name}: fetching ${language.sdk}`);
  const folder = join(cache, language.name);
  await mkdir(folder, { recursive: true });
  const prepared = await language.prepare(folder);
  console.log(`${language.name}: sending with ${language.sdk} ${prepared.version}`);
  return withServer(async (target) => {
    // The DSN is all it gets.
    const env = { ...prepared.env, SENTRY_DSN: target.dsn };
    const command = prepared.command.includes("/") ? prepared.command : await pathOf(prepared.command);
    await promisify(execFile)(command, [...prepared.args], { env, timeout: 120_000 });
    return { ...row, version: prepared.version, ...(await lookAt(offered(language, prepared), target)) };
  });
}

/** What is expected of this version of the SDK. */
function offered({ expected }: Language, { lacks = [] }: Prepared): Expected {
  const has = (what: "session" | "attachment"): boolean => expected[what] && !lacks.includes(what);
  return { ...expected, session: has("session"), attachment: has("attachment") };
}

async function pathOf(program: string): Promise<string> {
  const { stdout } = await promisify(execFile)("sh", ["-c", 'command -v "$1"', "sh", program]);
  return stdout.trim();
}

/** A server of its own for each language, so that its counters tell what this SDK sent. */
async function withServer<T>(work: (target: Target) => Promise<T>): Promise<T> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "signalbox-conformance-"));
  let server: SignalboxServer | undefined;
  try {
    const installation = await installSignalbox({ dataDirectory });
    server = await installation.start();
    return await work({ server, dataDirectory, ...(await accessTo(installation)) });
  } finally {
    await server?.stop();
    await rm(dataDirectory, { recursive: true, force: true });
  }
}

async function accessTo(installation: SignalboxInstallation): Promise<Omit<Target, "server" | "dataDirectory">> {
  const [project] = (await installation.command("project", "list")) as { id: number; dsn: string }[];
  if (!project) throw new Error("the new server has no project");
  const { token } = (await installation.command("token", "create", "--scope", "errors:read")) as { token: string };
  return { projectId: project.id, dsn: project.dsn, token };
}

async function lookAt(expected: Expected, target: Target): Promise<Partial<Row>> {
  const notes: string[] = [];
  const exception = await eventWithTitle(target, expected.title, notes);
  const problems = exception === undefined ? [] : problemsOf(exception, expected);
  notes.push(...problems);
  const message = await eventWithTitle(target, messageTitle, notes);
  const samples = await metricSamples(target.server);
  const refused = samples.filter(({ name, labels, value }) => {
    return (
      name === "signalbox_http_requests_total" &&
      // The server also sends to itself.
      labels.includes('route="/api/:project/') &&
      labels.includes('method="POST"') &&
      !/status="[23]/.test(labels) &&
      value > 0
    );
  });
  for (const { labels, value } of refused) notes.push(`${value} refused: ${labels}`);
  const lost = samples.filter(({ name, labels, value }) => {
    return name === "signalbox_error_tracking_items_total" && /"(invalid|rate_limited)"/.test(labels) && value > 0;
  });
  for (const { labels, value } of lost) notes.push(`${value} not taken: ${labels}`);
  const sessions = expected.session && (await storesSessions(target));
  const attached = expected.attachment && exception !== undefined && (await hasAttachment(target, exception));
  return {
    exception: exception !== undefined && problems.length === 0 && refused.length + lost.length === 0 ? "ok" : "WRONG",
    message: message === undefined ? "WRONG" : "ok",
    session: expected.session ? (sessions ? "ok" : "WRONG") : "not offered",
    attachment: expected.attachment ? (attached ? "ok" : "WRONG") : "not offered",
    notes: notes.join("; "),
  };
}

/** The event of the one issue whose title begins so, as soon as the server has stored it. */
async function eventWithTitle(target: Target, title: string, notes: string[]): Promise<ArrivedEvent | undefined> {
  const errors = `/api/v1/projects/${target.projectId}/errors`;
  const deadlineMs = performance.now() + 15_000;
  for (;;) {
    const issues = await get<{ fingerprint: number; title: string; actor: string }[]>(target, errors);
    const issue = issues.find((candidate) => candidate.title.startsWith(title));
    if (issue) {
      const [event] = await get<{ payload: string }[]>(target, `${errors}/${issue.fingerprint}/events?limit=1`);
      if (event) {
        const payload: ArrivedEvent["payload"] = JSON.parse(event.payload);
        return { culprit: issue.actor, payload };
      }
    }
    if (performance.now() > deadlineMs) {
      notes.push(`no issue "${title}" among ${JSON.stringify(issues.map((found) => found.title))}`);
      return undefined;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Whether a session was stored, or will be in a moment. */
async function storesSessions({ server }: Target): Promise<boolean> {
  const deadlineMs = performance.now() + 15_000;
  for (;;) {
    const stored = (await metricSamples(server)).some(
      ({ name, labels, value }) =>
        name === "signalbox_error_tracking_items_total" &&
        /item_type="sessions?"/.test(labels) &&
        labels.includes('outcome="stored"') &&
        value > 0,
    );
    if (stored || performance.now() > deadlineMs) return stored;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Whether one of the event's attachments has exactly the text that was sent. */
async function hasAttachment(target: Target, { payload }: ArrivedEvent): Promise<boolean> {
  const path = `/api/v1/projects/${target.projectId}/errors/events/${payload.event_id}/attachments`;
  for (const { n } of await get<{ n: number }[]>(target, path)) {
    const headers = { authorization: `Bearer ${target.token}` };
    const content = await (await fetch(`${target.server.url}${path}/${n}`, { headers })).text();
    if (content === attachmentText) return true;
  }
  return false;
}

async function get<T>(target: Target, path: string): Promise<T> {
  const answer = await fetch(`${target.server.url}${path}`, { headers: { authorization: `Bearer ${target.token}` } });
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as T;
}

interface Sample {
  readonly name: string;
  readonly labels: string;
  readonly value: number;
}

async function metricSamples(server: SignalboxServer): Promise<Sample[]> {
  const text = await (await fetch(`${server.metricsUrl}/metrics`)).text();
  return [...text.matchAll(/^(\w+)\{(.*)\} (\S+)$/gm)].map(([, name = "", labels = "", value]) => {
    return { name, labels, value: Number(value) };
  });
}
