import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { openAnalytics } from "@signalbox/analytics";
import { type Benchmark, percentile, scaled } from "./harness.js";
import { mixedBodies } from "./load/error-mix.js";
import { createSender, drained, takenOf, withInstallation } from "./load/errors-server.js";
import { openRowStore, type RowStore } from "./peers/row-store.js";

/** A tenth of what the requirement says, so that a run takes a minute: `BENCH_SCALE=10` is the whole. */
const events = scaled(100_000);
const issues = scaled(1_000);
/** So many events go all the way; the stores then copy each of them this often. */
const factor = 25;
const sent = events / factor;
const questions = Math.min(40, scaled(40));
const tag = { key: "shard", value: "s7" };

/** Reading errors back over HTTP, against the same questions to rows in SQLite. */
export const errorsRead: Benchmark = {
  name: "errors-read",
  proves: ["ET-905"],
  async run(report) {
    await withInstallation({}, async (dataDirectory, install) => {
      const bodies = mixedBodies(0, sent, { groups: issues });
      const installation = await install();
      const loading = await installation.start();
      const taken = takenOf(await (await createSender(installation, loading))(bodies));
      await drained(loading, taken);
      await loading.stop();
      await multiply(join(dataDirectory, "analytics"));

      const rows = await openRowStore(join(dataDirectory, "rows.sqlite"));
      for (const body of bodies) await rows.store(gunzipSync(body));
      await rows.multiply(factor);

      const server = await installation.start();
      const made = await installation.command("token", "create", "--scope", "errors:read");
      const token = typeof made === "object" && made !== null && "token" in made ? String(made.token) : "";
      const ask = createReader(`${server.url}/api/v1/projects/1/errors`, token);
      const numbers = await allIssues(`${server.url}/api/v1/projects/1/errors?limit=100`, token);
      const anyIssue = (): number => numbers[Math.floor(Math.random() * numbers.length)] ?? 1;
      await ask("");
      await ask(`/${anyIssue()}/events/latest`);

      const workload = `${taken * factor} events in ${numbers.length} errors, 30 days`;
      const compare = async (ours: () => Promise<unknown>, theirs: (rows: RowStore) => Promise<unknown>) => ({
        ours: await p95Of(ours),
        peer: await p95Of(() => theirs(rows)),
      });
      const peerName = "the same question to rows in SQLite, in this process";

      const list = await compare(
        () => ask("?limit=20"),
        (peer) => peer.listPage(),
      );
      report({
        workload: `${workload}: a page of the list, p95`,
        measured: { value: list.ours, unit: "ms" },
        peer: { name: peerName, value: list.peer },
        target: 100,
      });
      const page = await compare(
        async () => {
          const issue = anyIssue();
          await Promise.all([ask(`/${issue}`), ask(`/${issue}/events/latest`)]);
        },
        (peer) => peer.issuePage(1 + Math.floor(Math.random() * numbers.length)),
      );
      report({
        workload: `${workload}: one error with its newest event, p95`,
        measured: { value: page.ours, unit: "ms" },
        peer: { name: peerName, value: page.peer },
        target: 150,
      });
      const search = await compare(
        () => ask(`?limit=20&query=${encodeURIComponent(`${tag.key}:${tag.value}`)}`),
        (peer) => peer.searchTag(tag.key, tag.value),
      );
      report({
        workload: `${workload}: errors with a tag within 30 days, p95`,
        measured: { value: search.ours, unit: "ms" },
        peer: { name: peerName, value: search.peer },
        targetRatio: 0.5,
        target: 500,
      });
      await server.stop();
      await rows.close();
    });
  },
};

type Ask = (path: string) => Promise<unknown>;

function createReader(base: string, token: string): Ask {
  return async (path) => {
    const answer = await fetch(base + path, { headers: { Authorization: `Bearer ${token}` } });
    const body = await answer.json();
    if (!answer.ok) throw new Error(`${path} was answered with ${answer.status}: ${JSON.stringify(body)}`);
    return body;
  };
}

/** Page by page, as the `Link` header leads. */
async function allIssues(first: string, token: string): Promise<number[]> {
  const numbers: number[] = [];
  for (let url: string | undefined = first; url !== undefined; ) {
    const answer = await fetch(url, { headers: { Authorization: `Bearer ${token}` } });
    const listed: unknown = await answer.json();
    if (!Array.isArray(listed)) throw new Error("the list is no list");
    numbers.push(...listed.map((issue) => Number(issue.fingerprint)));
    const next = /<([^>]+)>; rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
    url = next === undefined ? undefined : new URL(next, first).href;
  }
  return numbers;
}

async function p95Of(work: () => Promise<unknown>): Promise<number> {
  const timesMs: number[] = [];
  for (let question = 0; question < questions; question++) {
    const startMs = performance.now();
    await work();
    timesMs.push(performance.now() - startMs);
  }
  return percentile(timesMs, 0.95);
}

/** How little is read and written at once: the engine's memory is bounded, and events are large. */
const inSmallBlocks = `max_threads = 1, max_block_size = 256, preferred_block_size_bytes = 1000000,
  min_insert_block_size_rows = 4000, min_insert_block_size_bytes = 20000000`;

/** Copies of every event with ids and times of their own, the same ones in both tables; one copy of all after the other. */
async function multiply(path: string): Promise<void> {
  const analytics = await openAnalytics({ path });
  for (const table of ["error_events", "error_payloads"]) {
    await analytics.command(
      `CREATE TABLE bench_originals ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM ${table}
       SETTINGS ${inSmallBlocks}`,
    );
    for (let copy = 1; copy < factor; copy++)
      await analytics.command(
        `INSERT INTO ${table}
         SELECT * REPLACE (
           reinterpretAsUUID(MD5(concat(toString(event_id), '${copy}'))) AS event_id,
           timestamp - toIntervalSecond(cityHash64(event_id, ${copy}) % 2500000) AS timestamp)
         FROM bench_originals
         SETTINGS prefer_column_name_to_alias = 1, ${inSmallBlocks}`,
      );
    await analytics.command("DROP TABLE bench_originals SYNC");
  }
  await analytics.close();
}
