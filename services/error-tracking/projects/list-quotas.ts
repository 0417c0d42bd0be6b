import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import { overRows, runOverRows } from "../store/json-rows.js";
import { readInstanceSettings } from "./instance-settings.js";
import { readSettings } from "./project-settings.js";
import type { Projects } from "./projects.js";
import { type OwnedQuota, ownQuotas, type Quota } from "./quotas.js";

/** A quota that concerns a project, and how much of it is used. */
export interface QuotaInUse extends OwnedQuota {
  /** Whose it is, when it is a key's. */
  readonly keyId: number | undefined;
  /** In the current window, by all processes, up to a second ago. */
  readonly used: number;
  readonly resetsAtMs: number;
}

export interface ListQuotasDependencies {
  readonly database: Database;
  readonly projects: Projects;
  readonly clock: Clock;
  /** Of projects that have none of their own. */
  readonly projectQuotas: readonly Quota[];
}

const readUsed = overRows(`
  select known.counter, known.used from $rows
  join error_quota_windows as known on known.counter = $0 and known.slot = $int(1)`);

/** All quotas that items of a project are counted against: those of its keys, its own, and the instance's. */
export async function listQuotas(dependencies: ListQuotasDependencies, projectId: number): Promise<QuotaInUse[]> {
  const { database, projects, clock, projectQuotas } = dependencies;
  const [keys, settings, instance] = await Promise.all([
    projects.keys(projectId),
    readSettings(database, projectId),
    readInstanceSettings(database),
  ]);
  const quotas = [
    ...keys.flatMap(({ id, quotas: own }) => ownQuotas("key", id, own).map((quota) => ({ ...quota, keyId: id }))),
    ...ownQuotas("project", projectId, settings.quotas ?? projectQuotas),
    ...ownQuotas("organization", 0, instance.quotas),
  ];
  const nowMs = clock.nowMs();
  const slotOf = ({ windowS }: Quota): number => Math.floor(nowMs / (windowS * 1000));
  const rows = await runOverRows<{ counter: string; used: number }>(
    database,
    readUsed,
    quotas.map((quota) => [quota.counter, slotOf(quota)]),
  );
  const used = new Map(rows.map((row) => [row.counter, Number(row.used)]));
  return quotas.map((quota) => ({
    keyId: undefined,
    ...quota,
    used: used.get(quota.counter) ?? 0,
    resetsAtMs: (slotOf(quota) + 1) * quota.windowS * 1000,
  }));
}
