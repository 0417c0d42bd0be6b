import type { Database } from "@signalbox/database";
import type { PrepareOptions } from "./prepare-event.js";
import type { ProjectTables } from "./projects-migration.js";
import { defaultScrubSettings, type ScrubSettings } from "./scrub/scrub-settings.js";

export const retentions = [7, 14, 30, 60, 90, 180, 365] as const;

/** What a project decides for itself. What it leaves open, the instance decides. */
export interface ProjectSettings {
  /** Days for which events are kept. */
  readonly retentionDays?: number | undefined;
  readonly scrubbing: ScrubSettings;
  /** False: the address that a report came from is not taken for the user's. */
  readonly storeAddresses: boolean;
  /** The algorithm that the project is pinned to. */
  readonly groupingVersion?: number | undefined;
  /** One rule per line; see `parseFingerprintRules`. */
  readonly fingerprintRules: string;
  /** One rule per line; see `parseStackRules`. */
  readonly stackRules: string;
  /** Unresolved issues without an event for so many days are resolved; 0: never. */
  readonly autoResolveDays: number;
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
};

/** The settings in the column of a project, over the defaults. */
export function readProjectSettings(json: string): ProjectSettings {
  const stored: Partial<ProjectSettings> = JSON.parse(json);
  return {
    ...defaultProjectSettings,
    ...stored,
    scrubbing: { ...defaultScrubSettings, ...stored.scrubbing },
  };
}

/** What the instance decides for projects that do not. */
export interface InstanceDefaults {
  readonly retentionDays: number;
  readonly groupingVersion: number;
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
    groupingVersion: settings.groupingVersion ?? defaults.groupingVersion,
    retentionDays: settings.retentionDays ?? defaults.retentionDays,
    scrubbing,
    storeAddresses,
    fingerprintRules,
    stackRules,
  };
}
