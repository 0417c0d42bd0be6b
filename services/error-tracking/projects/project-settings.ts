import type { Database } from "@signalbox/database";
import type { Transaction } from "kysely";
import type { PrepareOptions } from "../digest/prepare-event.js";
import { checkFilters, type FilterSettings, noFilters } from "../filters/filter-settings.js";
import { parseFingerprintRules } from "../grouping/fingerprint-rules.js";
import { firstGroupingVersion } from "../grouping/group-event.js";
import { parseStackRules } from "../grouping/stack-rules.js";
import type { ProjectTables } from "../migrations/projects-migration.js";
import { defaultScrubSettings, type ScrubSettings } from "../scrub/scrub-settings.js";
import { ProjectError } from "./project-errors.js";
import { projectsChannel } from "./projects.js";
import type { Quota } from "./quotas.js";

export const retentions = [7, 14, 30, 60, 90, 180, 365] as const;

/** What comes beside events and may be kept for less long than they are. */
export const retainedKinds = ["attachments", "feedback", "sessions"] as const;
export type RetainedKind = (typeof retainedKinds)[number];

/** What a project decides for itself. What it leaves open, the instance decides. */
export interface ProjectSettings {
  /** Days for which events are kept, and everything else at the longest. */
  readonly retentionDays?: number | undefined;
  /** Days for which other things are kept, where that is less. */
  readonly retentionDaysOf?: Partial<Readonly<Record<RetainedKind, number>>> | undefined;
  readonly scrubbing: ScrubSettings;
  /** False: the address that a report came from is not taken for the user's. */
  readonly storeAddresses: boolean;
  /** The algorithm that the project is pinned to; absent: the first one. */
  readonly groupingVersion?: number | undefined;
  /** The one before, whose hashes are looked for as well for a while. */
  readonly formerGrouping?: { readonly version: number; readonly changedAtMs: number } | undefined;
  /** One rule per line; see `parseFingerprintRules`. */
  readonly fingerprintRules: string;
  /** One rule per line; see `parseStackRules`. */
  readonly stackRules: string;
  /** Unresolved issues without an event for so many days are resolved; 0: never. */
  readonly autoResolveDays: number;
  /** Absent: those that the instance gives to each project. */
  readonly quotas?: readonly Quota[] | undefined;
  readonly filters: FilterSettings;
  readonly repository?: RepositorySettings | undefined;
  /** Address of the forge's form for a new issue, with `{title}`, `{description}` and `{url}`. */
  readonly issueTemplate?: string | undefined;
}

/** Where the source of a project can be seen. */
export interface RepositorySettings {
  /** With `{commit}`, `{path}` and `{line}`. */
  readonly urlTemplate: string;
  readonly stripPrefixes: readonly string[];
  readonly addPrefix: string;
  readonly defaultBranch: string;
}

export const defaultProjectSettings: ProjectSettings = {
  scrubbing: defaultScrubSettings,
  storeAddresses: true,
  fingerprintRules: "",
  stackRules: "",
  autoResolveDays: 0,
  filters: noFilters,
};

/** The settings in the column of a project, over the defaults. */
export function readProjectSettings(json: string): ProjectSettings {
  const stored: Partial<ProjectSettings> = JSON.parse(json);
  return {
    ...defaultProjectSettings,
    ...stored,
    scrubbing: { ...defaultScrubSettings, ...stored.scrubbing },
    filters: { ...noFilters, ...stored.filters },
  };
}

/** What the instance decides for projects that do not. */
export interface InstanceDefaults {
  readonly retentionDays: number;
  /** Of projects that are made from now on. */
  readonly groupingVersion: number;
  /** A MaxMind database, by which users are located. */
  readonly geoFile?: string | undefined;
}

/** Options of the pure steps for each project, as of now. */
export interface ProjectOptions {
  /** One small read per call; projects are read again only after one of them was changed. */
  load(): Promise<(projectId: number) => PrepareOptions>;
}

export function createProjectOptions(database: Database, defaults: InstanceDefaults): ProjectOptions {
  const byDefault = prepareOptionsOf(defaultProjectSettings, defaults);
  let known: ReadonlyMap<number, PrepareOptions> = new Map();
  let revision = -1;
  return {
    async load() {
      const db = database.reader<ProjectTables>();
      const row = await db.selectFrom("project_revision").select("revision").executeTakeFirstOrThrow();
      if (row.revision !== revision) {
        const rows = await db.selectFrom("projects").select(["id", "settings"]).execute();
        known = new Map(
          rows.map(({ id, settings }) => [
            id,
            settings === "{}" ? byDefault : prepareOptionsOf(readProjectSettings(settings), defaults),
          ]),
        );
        revision = row.revision;
      }
      const options = known;
      return (projectId) => options.get(projectId) ?? byDefault;
    },
  };
}

export function prepareOptionsOf(settings: ProjectSettings, defaults: InstanceDefaults): PrepareOptions {
  const { scrubbing, storeAddresses, fingerprintRules, stackRules } = settings;
  return {
    groupingVersion: settings.groupingVersion ?? firstGroupingVersion,
    formerGroupingVersion: settings.formerGrouping?.version,
    retentionDays: settings.retentionDays ?? defaults.retentionDays,
    sessionRetentionDays: daysKept(settings, defaults, "sessions"),
    scrubbing,
    storeAddresses,
    fingerprintRules,
    stackRules,
    geoFile: defaults.geoFile,
  };
}

/**
 * Pins a project to another algorithm. For a while events still find the issue that the one before would have given
 * them; see `endGroupingTransitions`.
 */
export function pinGrouping(before: ProjectSettings, version: number, nowMs: number): Partial<ProjectSettings> {
  const { groupingVersion = firstGroupingVersion } = before;
  if (groupingVersion === version) return {};
  return { groupingVersion: version, formerGrouping: { version: groupingVersion, changedAtMs: nowMs } };
}

/** Projects that changed their algorithm longer ago than that know all issues that go on by its hashes by now. */
export async function endGroupingTransitions(database: Database, beforeMs: number): Promise<void> {
  const rows = await database
    .reader<ProjectTables>()
    .selectFrom("projects")
    .select(["id", "settings"])
    .where("settings", "like", '%"formerGrouping"%')
    .execute();
  for (const { id, settings } of rows) {
    const { formerGrouping } = readProjectSettings(settings);
    if (formerGrouping !== undefined && formerGrouping.changedAtMs <= beforeMs)
      await updateSettings(database, id, { formerGrouping: undefined });
  }
}

/** The settings of a project; the defaults when there is no such project. */
export async function readSettings(database: Database, projectId: number): Promise<ProjectSettings> {
  const row = await database
    .reader<ProjectTables>()
    .selectFrom("projects")
    .select("settings")
    .where("id", "=", projectId)
    .executeTakeFirst();
  return readProjectSettings(row?.settings ?? "{}");
}

/**
 * Changes some of a project's settings. Every process uses the new ones from the next batch on.
 * @throws {RuleError} `ET_RULE_INVALID` with line and column
 * @throws {ProjectError} `ET_PROJECT_NOT_FOUND`; `ET_TEMPLATE_INVALID`; `ET_NETWORK_INVALID`
 */
export function updateSettings(
  database: Database,
  projectId: number,
  changes: Partial<ProjectSettings>,
): Promise<ProjectSettings> {
  checkSettings(changes);
  return database.transaction(async (transaction: Transaction<ProjectTables>) => {
    // Changes run one after the other: each takes this row first.
    await transaction
      .updateTable("project_revision")
      .set((row) => ({ revision: row("revision", "+", 1) }))
      .execute();
    const before = await transaction
      .selectFrom("projects")
      .select("settings")
      .where("id", "=", projectId)
      .executeTakeFirst();
    if (before === undefined) throw new ProjectError("ET_PROJECT_NOT_FOUND");
    const settings: ProjectSettings = { ...readProjectSettings(before.settings), ...changes };
    await transaction
      .updateTable("projects")
      .set({ settings: JSON.stringify(settings) })
      .where("id", "=", projectId)
      .execute();
    database.notify(projectsChannel);
    return settings;
  });
}

function checkSettings(changes: Partial<ProjectSettings>): void {
  const { fingerprintRules, stackRules, repository, issueTemplate, filters } = changes;
  if (filters !== undefined) checkFilters(filters);
  if (fingerprintRules !== undefined) parseFingerprintRules(fingerprintRules);
  if (stackRules !== undefined) parseStackRules(stackRules);
  for (const template of [repository?.urlTemplate, issueTemplate])
    if (template !== undefined && !isWebAddress(template)) throw new ProjectError("ET_TEMPLATE_INVALID");
}

function isWebAddress(template: string): boolean {
  // What is filled in never decides where a link leads.
  return /^https?:\/\/[^\s{}/]+(?:\/\S*)?$/.test(template);
}

/** For how many days a project keeps things of a kind; events without one. */
export function daysKept(
  { retentionDays, retentionDaysOf = {} }: ProjectSettings,
  defaults: Pick<InstanceDefaults, "retentionDays">,
  kind?: RetainedKind,
): number {
  const days = retentionDays ?? defaults.retentionDays;
  return Math.min(days, (kind && retentionDaysOf[kind]) ?? days);
}

const dayMs = 86_400_000;
const longestRetentionDays = Math.max(...retentions);

/** What came before it is hidden: what a project keeps no longer is gone at once, whenever its rows are removed. */
export async function keptSinceMs(
  database: Database,
  projectId: number,
  nowMs: number,
  kind?: RetainedKind,
): Promise<number> {
  const settings = await readSettings(database, projectId);
  return nowMs - daysKept(settings, { retentionDays: longestRetentionDays }, kind) * dayMs;
}
