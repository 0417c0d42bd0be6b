import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { SignalboxInstallation, SignalboxServer } from "@signalbox/testing/servers";
import { mergedSizes } from "./errors-storage.js";
import { type Benchmark, scaled } from "./harness.js";
import { mixedBodies } from "./load/error-mix.js";
import {
  assertTaken,
  createSender,
  type ErrorStores,
  onEachStores,
  scrape,
  sumOf,
  withInstallation,
} from "./load/errors-server.js";

const burstEvents = scaled(10_000);
const burstSeconds = 10;
const stormEvents = scaled(100_000);
const keepPerHour = scaled(10_000);
/** Bodies that are made at one time. */
const portion = 10_000;

/** Waits until that many events have their outcome and their rows; resolves with the moment, of `performance.now()`. */
async function ended(server: SignalboxServer, expected: number): Promise<number> {
  while (sumOf(await scrape(server), "signalbox_error_tracking_visible_delay_seconds_count") < expected)
    await new Promise((resolve) => setTimeout(resolve, 100));
  return performance.now();
}

interface Account {
  readonly received: number;
  readonly balance: number;
  readonly pending: number;
  readonly outcomes: Readonly<Record<string, { readonly quantity: number }>>;
}

async function accountOf(installation: SignalboxInstallation, server: SignalboxServer): Promise<Account> {
  const { token } = (await installation.command("token", "create", "--scope", "errors:read")) as { token: string };
  const response = await fetch(`${server.url}/api/v1/projects/1/errors/ledger`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return (await response.json()) as Account;
}

/** The ledger knows all events, each once, and everything agrees. */
async function assertAccounted(
  installation: SignalboxInstallation,
  server: SignalboxServer,
  events: number,
): Promise<Account> {
  // The last batch is handed back to the queue as done right after its rows are there.
  let account = await accountOf(installation, server);
  for (let tries = 0; account.pending > 0 && tries < 50; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    account = await accountOf(installation, server);
  }
  if (account.received !== events || account.balance !== 0 || account.pending !== 0)
    throw new Error(`the ledger does not account for ${events} events: ${JSON.stringify(account)}`);
  const report = (await installation.command("verify")) as { consistent: boolean };
  if (!report.consistent) throw new Error(`what is stored does not agree: ${JSON.stringify(report)}`);
  return account;
}

/** Stops the server whatever becomes of the work. */
async function whileServing<T>(
  installation: SignalboxInstallation,
  work: (server: SignalboxServer) => Promise<T>,
): Promise<T> {
  const server = await installation.start();
  try {
    return await work(server);
  } finally {
    await server.stop();
  }
}

function burst(stores: ErrorStores): Promise<{ readonly seconds: number; readonly p99: number }> {
  return withInstallation(stores.env, async (_, install) => {
    const installation = await install();
    return whileServing(installation, async (server) => {
      const send = await createSender(installation, server);
      const bodies = mixedBodies(0, burstEvents);
      const startMs = performance.now();
      const sent = await send(bodies, burstEvents / burstSeconds);
      assertTaken(sent);
      const seconds = ((await ended(server, burstEvents)) - startMs) / 1000;
      await assertAccounted(installation, server, burstEvents);
      return { seconds, p99: sent.latencyMs.p99 };
    });
  });
}

/** Envelopes of one error that differ in id, user and text. All of one hour, however long it takes. */
function stormBodies(from: number, count: number, timestamp: number): Buffer[] {
  return Array.from({ length: count }, (_, offset) => {
    const index = from + offset;
    const event = {
      event_id: randomUUID().replaceAll("-", ""),
      timestamp,
      platform: "node",
      release: "forge@1.4.2",
      user: { id: String(index % 5000) },
      contexts: { trace: { trace_id: randomUUID().replaceAll("-", "") } },
      exception: {
        values: [
          {
            type: "PipelineError",
            value: `job ${index} of runner ${randomUUID()} failed`,
            stacktrace: {
              frames: Array.from({ length: 12 }, (_, depth) => ({
                filename: `/srv/forge/modules/ci/step-${depth}.js`,
                function: `step${depth}`,
                lineno: 10 + depth,
                in_app: true,
                context_line: `  return execute(plan, ${depth});`,
              })),
            },
          },
        ],
      },
    };
    const payload = JSON.stringify(event);
    return gzipSync(`{"event_id":"${event.event_id}"}\n{"type":"event"}\n${payload}\n`);
  });
}

interface Storm {
  readonly bytes: number;
  readonly rows: number;
  readonly counted: number;
}

function storm(keep: number): Promise<Storm> {
  const env = {
    SIGNALBOX_ERROR_TRACKING_STORM_KEEP_PER_HOUR: String(keep),
    SIGNALBOX_ERROR_TRACKING_QUOTA_PROJECT_ERRORS_PER_MINUTE: String(10 * stormEvents),
  };
  return withInstallation(env, async (dataDirectory, install) => {
    const installation = await install();
    const { outcomes, issue } = await whileServing(installation, async (server) => {
      const send = await createSender(installation, server);
      const timestamp = Math.floor(Date.now() / 3_600_000) * 3600 - 1800;
      for (let from = 0; from < stormEvents; from += portion)
        assertTaken(await send(stormBodies(from, Math.min(portion, stormEvents - from), timestamp)));
      await ended(server, stormEvents);
      const account = await assertAccounted(installation, server, stormEvents);
      const [first] = (await installation.command("errors", "list", "--project", "1")) as { event_count: number }[];
      return { outcomes: account.outcomes, issue: first };
    });
    const tables = await mergedSizes(join(dataDirectory, "analytics"));
    const counted = issue?.event_count ?? 0;
    if (counted !== stormEvents) throw new Error(`${counted} of ${stormEvents} events are counted`);
    return {
      bytes: tables.reduce((sum, { bytes }) => sum + bytes, 0),
      rows: outcomes["stored"]?.quantity ?? 0,
      counted,
    };
  });
}

/** A burst of many different errors is taken, stored and accounted for; a storm of one costs little space. */
export const errorsBurst: Benchmark = {
  name: "errors-burst",
  proves: ["ET-902"],
  async run(report) {
    await onEachStores(async (stores) => {
      const { seconds, p99 } = await burst(stores);
      report({
        workload: `${burstEvents} events of the mix in ${burstSeconds} s, ${stores.name}: from the first request until all can be queried; all answered with 200, ledger and verify clean`,
        measured: { value: seconds, unit: "s" },
        target: 30,
        notes: { p99_ms: p99 },
      });
    });
    const all = await storm(Number.MAX_SAFE_INTEGER);
    const sampled = await storm(keepPerHour);
    report({
      workload: `${stormEvents} events of one error within an hour, SQLite and chDB: bytes of rows and payloads after merges; counts exact`,
      measured: { value: sampled.bytes, unit: "bytes" },
      peer: { name: "every event kept", value: all.bytes },
      targetRatio: 0.35,
      notes: { rows: sampled.rows, counted: sampled.counted, rows_of_peer: all.rows },
    });
  },
};
