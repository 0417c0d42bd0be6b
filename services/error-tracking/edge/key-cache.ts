import type { Database } from "@signalbox/database";
import { type Clock, createFailureLog, createService, type Logger, type Service, type Timer } from "@signalbox/kernel";
import { compileFilters } from "../filters/filter-settings.js";
import type { ProjectTables } from "../migrations/projects-migration.js";
import { readInstanceSettings } from "../projects/instance-settings.js";
import { readProjectSettings } from "../projects/project-settings.js";
import { projectsChannel } from "../projects/projects.js";
import { type OwnedQuota, ownQuotas, type Quota } from "../projects/quotas.js";
import type { Sender } from "./sender.js";

/**
 * All usable keys in memory. A change is seen at once in the process that made it, and within `maxAgeMs` elsewhere. When the
 * database does not answer, what was known last is used.
 */
export interface KeyCache {
  /**
   * Whom a usable key stands for. Disabled and expired keys, and keys of disabled projects, are not found. Known keys cost no waiting; before an unknown one is refused the database is asked whether
   * something changed, at most once per `missIntervalMs`, so that a new key works at once.
   * Rejects only while nothing was loaded ever.
   */
  find(publicKey: string): Promise<Sender | undefined> | Sender | undefined;
  /** Notes that a key was used; written to the database now and then. */
  markUsed(keyId: number): void;
  readonly service: Service;
}

export interface KeyCacheOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly maxAgeMs?: number;
  readonly missIntervalMs?: number;
  /** How often last-used times are written. */
  readonly usageIntervalMs?: number;
  /** Of projects that have none of their own. */
  readonly projectQuotas?: readonly Quota[];
}

interface LoadedKey extends Sender {
  readonly expiresAtMs: number;
}

export function createKeyCache(options: KeyCacheOptions): KeyCache {
  const { database, clock, logger, maxAgeMs = 2000, missIntervalMs = 250, usageIntervalMs = 30_000 } = options;
  const { projectQuotas = [] } = options;
  let keys: ReadonlyMap<string, LoadedKey> = new Map();
  let revision = -1;
  /** When the database was asked last because of a key that was not known. */
  let missedAtMs = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | undefined;
  let loads = 0;
  const used = new Map<number, number>();

  const loadKeys = async (): Promise<Map<string, LoadedKey>> => {
    const db = database.reader<ProjectTables>();
    const active = await db.selectFrom("projects").select(["id", "settings"]).where("active", "=", 1).execute();
    const rows = await db
      .selectFrom("project_keys")
      .where("active", "=", 1)
      .select(["id", "project_id", "public_key", "quotas", "allowed_origins", "expires_at"])
      .execute();
    const ofInstance = ownQuotas("organization", 0, (await readInstanceSettings(database)).quotas);
    const projects = new Map(active.map(({ id, settings }) => [id, projectPolicy(id, settings)]));
    return new Map(
      rows.flatMap((row) => {
        const project = projects.get(row.project_id);
        if (project === undefined) return [];
        const { quotas, filter, filterCspSources } = project;
        const ofKey = ownQuotas("key", row.id, JSON.parse(row.quotas));
        const key: LoadedKey = {
          keyId: row.id,
          projectId: row.project_id,
          quotas: [...ofKey, ...quotas, ...ofInstance],
          allowedOrigins: JSON.parse(row.allowed_origins),
          filter,
          filterCspSources,
          expiresAtMs: row.expires_at ?? Number.POSITIVE_INFINITY,
        };
        return [[row.public_key, key]];
      }),
    );
  };

  const projectPolicy = (
    id: number,
    json: string,
  ): Pick<Sender, "filter" | "filterCspSources"> & { quotas: readonly OwnedQuota[] } => {
    const settings = readProjectSettings(json);
    return {
      quotas: ownQuotas("project", id, settings.quotas ?? projectQuotas),
      filter: compileFilters(settings.filters),
      filterCspSources: settings.filters.cspSources,
    };
  };

  const load = async (): Promise<void> => {
    loads++;
    const db = database.reader<ProjectTables>();
    const row = await db.selectFrom("project_revision").select("revision").executeTakeFirstOrThrow();
    if (row.revision !== revision) {
      keys = await loadKeys();
      // What changed between the two reads raises the number again and is loaded next time.
      revision = row.revision;
    }
  };

  /** One look at the database at a time; a call during one waits for it. */
  const refresh = (): Promise<void> => {
    loading ??= load().finally(() => {
      loading = undefined;
    });
    return loading;
  };

  const refreshFailures = createFailureLog({ logger, clock, message: "project keys could not be refreshed" });
  const refreshQuietly = async (): Promise<void> => {
    try {
      await refresh();
      refreshFailures.worked();
    } catch (error) {
      if (revision < 0) throw error;
      refreshFailures.failed({ error });
    }
  };

  const usable = (key: LoadedKey | undefined): Sender | undefined =>
    key && key.expiresAtMs > clock.nowMs() ? key : undefined;

  const findAfterRefresh = async (publicKey: string): Promise<Sender | undefined> => {
    missedAtMs = clock.monotonicMs();
    // A look that is under way may have begun before the key was made; the next one cannot have.
    const loadsBefore = loads;
    if (loading) await refreshQuietly();
    if (loads === loadsBefore && !usable(keys.get(publicKey))) await refreshQuietly();
    return usable(keys.get(publicKey));
  };

  const writeUsage = async (): Promise<void> => {
    const rows = [...used].map(([keyId, usedAtMs]) => [usedAtMs, keyId, usedAtMs]);
    used.clear();
    await database.runMany(
      "update project_keys set last_used_at = ? where id = ? and coalesce(last_used_at, 0) < ?",
      rows,
    );
  };

  let timers: Timer[] = [];
  const repeat = (intervalMs: number, work: () => Promise<void>): void => {
    const slot = timers.length;
    const arm = (): void => {
      timers[slot] = clock.setTimer(intervalMs, () => {
        work()
          .catch((error: unknown) => logger.warn("project keys could not be kept up to date", { error }))
          .finally(() => slot < timers.length && arm());
      });
    };
    arm();
  };
  let stopListening = (): void => {};

  return {
    find(publicKey) {
      const known = usable(keys.get(publicKey));
      if (known) return known;
      const recentlyMissed = clock.monotonicMs() - missedAtMs < missIntervalMs;
      return recentlyMissed && !loading ? undefined : findAfterRefresh(publicKey);
    },
    markUsed: (keyId) => void used.set(keyId, clock.nowMs()),
    service: createService({
      name: "project keys",
      async start() {
        stopListening = database.listen(projectsChannel, () => {
          void refreshQuietly().catch(() => {});
        });
        await refresh();
        repeat(maxAgeMs, refreshQuietly);
        repeat(usageIntervalMs, writeUsage);
      },
      async stop() {
        stopListening();
        for (const timer of timers) timer.cancel();
        timers = [];
        await loading?.catch(() => {});
        await writeUsage().catch((error: unknown) => logger.warn("last use of keys could not be written", { error }));
      },
    }),
  };
}
