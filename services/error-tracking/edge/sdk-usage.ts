import type { Database } from "@signalbox/database";
import { type Clock, createFailureLog, createService, type Logger, type Service, type Timer } from "@signalbox/kernel";
import type { Transaction } from "kysely";
import { overRows, runOverRows } from "../store/json-rows.js";

/** What one request tells of the SDK that sent it. */
export interface SdkSighting {
  readonly projectId: number;
  readonly sdk: { readonly name: string; readonly version?: string | undefined } | undefined;
  /** Items that are not kept, by their type. */
  readonly notStored?: ReadonlyMap<string, number> | undefined;
  /** Why the request could not be read. */
  readonly errorCode?: string | undefined;
}

export interface SdkUsage {
  /** Takes a sighting without waiting; it is written within seconds, and lost by a crash before. */
  readonly note: (sighting: SdkSighting) => void;
  readonly service: Service;
}

export interface SdkUsageOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** SDKs and versions that are told apart in one project; clients can invent any number of them. */
export const maxSdksPerProject = 200;
const others = { name: "other", version: "" } as const;
const keptCodes = 5;
const flushMs = 5000;
const dayMs = 86_400_000;
/** Sightings that may wait while the database is away. */
const maxWaiting = 5000;

interface Sum {
  readonly projectId: number;
  readonly name: string;
  readonly version: string;
  lastSeenMs: number;
  accepted: number;
  malformed: number;
  readonly notStored: Map<string, number>;
  /** Newest first. */
  codes: string[];
}

export function createSdkUsage({ database, clock, logger }: SdkUsageOptions): SdkUsage {
  const failures = createFailureLog({ logger, clock, message: "the use of SDKs could not be written" });
  let waiting = new Map<string, Sum>();
  let timer: Timer | undefined;
  let writing: Promise<void> = Promise.resolve();
  let stopped = false;

  const sumOf = (projectId: number, name: string, version: string): Sum | undefined => {
    const key = keyOf(projectId, name, version);
    let sum = waiting.get(key);
    if (sum === undefined && waiting.size < maxWaiting) {
      sum = { projectId, name, version, lastSeenMs: 0, accepted: 0, malformed: 0, notStored: new Map(), codes: [] };
      waiting.set(key, sum);
    }
    return sum;
  };

  const write = async (): Promise<void> => {
    if (waiting.size === 0) return;
    const sums = [...waiting.values()];
    waiting = new Map();
    try {
      await database.transaction((transaction: Transaction<unknown>) => writeSums(database, sums, transaction));
      failures.worked();
    } catch (error) {
      failures.failed({ error });
    }
  };

  const arm = (): void => {
    timer = clock.setTimer(flushMs, () => {
      writing = write().finally(() => {
        if (!stopped) arm();
      });
    });
  };

  return {
    note({ projectId, sdk, notStored, errorCode }) {
      const sum = sumOf(projectId, sdk?.name ?? "unknown", sdk?.version ?? "");
      if (sum === undefined) return;
      sum.lastSeenMs = clock.nowMs();
      if (errorCode === undefined) sum.accepted++;
      else {
        sum.malformed++;
        sum.codes = [errorCode, ...sum.codes].slice(0, keptCodes);
      }
      for (const [type, quantity] of notStored ?? [])
        sum.notStored.set(type, (sum.notStored.get(type) ?? 0) + quantity);
    },
    service: createService({
      name: "use of SDKs",
      async start() {
        arm();
      },
      async stop() {
        stopped = true;
        timer?.cancel();
        await writing;
        await write();
      },
    }),
  };
}

const readKnown = overRows(`
  select known.project_id, known.name, known.version from $rows
  join error_sdks as known on known.project_id = $int(0)`);

const see = overRows(`
  insert into error_sdks (project_id, name, version, last_seen_ms, error_codes)
  select $int(0), $1, $2, $int(3), '[]' from $rows where true
  on conflict (project_id, name, version) do update set last_seen_ms =
    case when excluded.last_seen_ms > error_sdks.last_seen_ms then excluded.last_seen_ms else error_sdks.last_seen_ms end
  returning project_id, name, version, error_codes`);

const setCodes = overRows(`
  update error_sdks set error_codes = latest.error_codes
  from (select $int(0) as project_id, $1 as name, $2 as version, $3 as error_codes from $rows) as latest
  where error_sdks.project_id = latest.project_id and error_sdks.name = latest.name
    and error_sdks.version = latest.version`);

const addDays = overRows(`
  insert into error_sdk_days (project_id, name, version, day, kind, detail, quantity)
  select $int(0), $1, $2, $int(3), $4, $5, $int(6) from $rows where true
  on conflict (project_id, name, version, day, kind, detail)
  do update set quantity = error_sdk_days.quantity + excluded.quantity`);

interface SdkRow {
  readonly project_id: number;
  readonly name: string;
  readonly version: string;
  readonly error_codes: string;
}

async function writeSums(database: Database, sums: readonly Sum[], transaction: Transaction<unknown>): Promise<void> {
  const kept = await foldSurplus(database, sums, transaction);
  const seen = await runOverRows<SdkRow>(
    database,
    see,
    kept.map(({ projectId, name, version, lastSeenMs }) => [projectId, name, version, lastSeenMs]),
    transaction,
  );
  const before = new Map(seen.map((row) => [keyOf(Number(row.project_id), row.name, row.version), row.error_codes]));
  const codes = kept
    .filter((sum) => sum.codes.length > 0)
    .map(({ projectId, name, version, codes: newest }) => {
      const older: string[] = JSON.parse(before.get(keyOf(projectId, name, version)) ?? "[]");
      return [projectId, name, version, JSON.stringify([...newest, ...older].slice(0, keptCodes))];
    });
  await runOverRows(database, setCodes, codes, transaction);
  const days = kept.flatMap(({ projectId, name, version, lastSeenMs, ...counts }) =>
    kindsOf(counts).map(([kind, detail, quantity]) => {
      const day = Math.floor(lastSeenMs / dayMs);
      return [projectId, name, version, day, kind, detail, quantity];
    }),
  );
  await runOverRows(database, addDays, days, transaction);
}

function kindsOf({ accepted, malformed, notStored }: Pick<Sum, "accepted" | "malformed" | "notStored">) {
  const kinds: [kind: string, detail: string, quantity: number][] = [
    ["accepted", "", accepted],
    ["malformed", "", malformed],
  ];
  for (const [type, quantity] of notStored) kinds.push(["not_stored", type, quantity]);
  return kinds.filter(([, , quantity]) => quantity > 0);
}

function keyOf(projectId: number, name: string, version: string): string {
  return JSON.stringify([projectId, name, version]);
}

/** Counts what is one too many among a project's SDKs under one name. In one order, so that no two writers block each other. */
async function foldSurplus(
  database: Database,
  sums: readonly Sum[],
  transaction: Transaction<unknown>,
): Promise<Sum[]> {
  const projects = [...new Set(sums.map(({ projectId }) => projectId))];
  const rows = await runOverRows<Omit<SdkRow, "error_codes">>(
    database,
    readKnown,
    projects.map((id) => [id]),
    transaction,
  );
  const known = new Map<number, Set<string>>(projects.map((id) => [id, new Set<string>()]));
  for (const { project_id: id, name, version } of rows) known.get(Number(id))?.add(keyOf(Number(id), name, version));
  const folded = new Map<string, Sum>();
  for (const sum of sums) {
    const own = known.get(sum.projectId);
    const key = keyOf(sum.projectId, sum.name, sum.version);
    const isOne = own?.has(key) === true || (own?.size ?? 0) < maxSdksPerProject;
    if (isOne) own?.add(key);
    const { name, version } = isOne ? sum : others;
    const place = keyOf(sum.projectId, name, version);
    const before = folded.get(place);
    folded.set(place, before === undefined ? { ...sum, name, version } : addSums(before, sum));
  }
  return [...folded].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
}

function addSums(a: Sum, b: Sum): Sum {
  const notStored = new Map(a.notStored);
  for (const [type, quantity] of b.notStored) notStored.set(type, (notStored.get(type) ?? 0) + quantity);
  return {
    ...a,
    lastSeenMs: Math.max(a.lastSeenMs, b.lastSeenMs),
    accepted: a.accepted + b.accepted,
    malformed: a.malformed + b.malformed,
    notStored,
    codes: [...b.codes, ...a.codes].slice(0, keptCodes),
  };
}
