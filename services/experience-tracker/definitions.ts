import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  createRegistry,
  type Definition,
  type DefinitionFault,
  type KnownFiles,
  parseYaml,
  type Registry,
  readDefinitionFolder,
  type TimeoutOverrides,
} from "@signalbox/experience";
import { type Clock, createService, errorMessage, type Logger, type Metrics, type Service } from "@signalbox/kernel";
import { watchFolder } from "./watch-folder.js";

/** Definitions that are in force, and what is wrong with the files. */
export interface Definitions {
  /** The set in force; it is replaced as a whole. */
  readonly registry: Registry;
  /** Changes when anything about the set does. */
  readonly etag: string;
  readonly files: readonly DefinitionFile[];
  reload(): Promise<ReloadCounts>;
  /** Called with each new set. */
  onChange(listener: () => void): void;
  /** Loads, then watches the folder until it is stopped. */
  readonly service: Service;
}

export interface DefinitionFile {
  readonly file: string;
  readonly id: string;
  /** `stale`: the file became invalid and its last valid content stays in force. */
  readonly state: "valid" | "stale" | "invalid";
  readonly errors: readonly DefinitionFault[];
}

export interface ReloadCounts {
  readonly loaded: number;
  readonly stale: number;
  readonly invalid: number;
}

export interface DefinitionsOptions {
  readonly directory: string;
  /** YAML list of feature categories; a definition with another one is invalid. */
  readonly featureCategoriesFile?: string | undefined;
  readonly timeouts?: TimeoutOverrides;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export function createDefinitions(options: DefinitionsOptions): Definitions {
  const { directory, clock, logger } = options;
  const listeners = new Set<() => void>();
  const lastValid = new Map<string, Definition>();
  const gauge = options.metrics.gauge({
    name: "signalbox_experience_definitions",
    help: "Definition files by state; a stale one became invalid and its last valid content is used.",
    labels: ["state"],
    known: ["valid", "stale", "invalid"].map((state) => ({ state })),
  });
  let registry = createRegistry();
  let etag = etagOf(registry, []);
  let files: readonly DefinitionFile[] = [];
  let found = true;
  let loading: Promise<ReloadCounts> | undefined;

  const categories = createFeatureCategories(options.featureCategoriesFile, logger);
  let known: KnownFiles = new Map();
  let knownCategories: string | undefined;
  const load = async (): Promise<ReloadCounts> => {
    const featureCategories = await categories.read();
    const allowed = JSON.stringify(featureCategories && [...featureCategories]);
    // What a file says depends on them.
    if (allowed !== knownCategories) known = new Map();
    knownCategories = allowed;
    const readOptions = { featureCategories, ...(options.timeouts ? { timeouts: options.timeouts } : {}) };
    const reading = await readDefinitionFolder(directory, readOptions, known);
    if (!reading.found && found) logger.warn("the folder of experience definitions is missing", { directory });
    found = reading.found;
    const next = reading.files.map(({ file, id, reading: { kind, ...rest } }): DefinitionFile => {
      const errors = "errors" in rest ? rest.errors : [];
      if (kind === "valid" && "definition" in rest) lastValid.set(id, rest.definition);
      return { file, id, state: kind === "valid" ? "valid" : lastValid.has(id) ? "stale" : "invalid", errors };
    });
    for (const id of lastValid.keys()) if (!next.some((file) => file.id === id)) lastValid.delete(id);
    reportNew(files, next, logger);
    const nextRegistry = createRegistry([...lastValid.values()]);
    const nextEtag = etagOf(nextRegistry, next);
    const changed = nextEtag !== etag;
    [registry, etag, files] = [nextRegistry, nextEtag, next];
    const count = (state: DefinitionFile["state"]): number => next.filter((file) => file.state === state).length;
    for (const state of ["valid", "stale", "invalid"] as const) gauge.set(count(state), { state });
    if (changed) for (const listener of listeners) listener();
    return { loaded: count("valid"), stale: count("stale"), invalid: count("invalid") };
  };

  /** One at a time; who asks meanwhile gets what is read after the question. */
  const reload = (): Promise<ReloadCounts> => {
    const before = loading;
    const mine = (before ? before.then(load, load) : load()).finally(() => {
      if (loading === mine) loading = undefined;
    });
    loading = mine;
    return mine;
  };

  const folder = watchFolder({
    directory,
    clock,
    reload: () =>
      reload().catch((error: unknown) => logger.warn("the experience definitions cannot be read", { error })),
  });

  return {
    get registry() {
      return registry;
    },
    get etag() {
      return etag;
    },
    get files() {
      return files;
    },
    reload,
    onChange: (listener) => void listeners.add(listener),
    service: createService({
      name: "experience definitions",
      async start() {
        await reload();
        folder.start();
      },
      async stop() {
        folder.stop();
        await loading?.catch(() => {});
      },
    }),
  };
}

/**
 * The categories that definitions may have; all when no file is named. A list that cannot be read says nothing new, so
 * the last one stays in force; before there was one, all are taken, since to refuse every journey would be worse. What is
 * wrong is told once.
 */
function createFeatureCategories(file: string | undefined, logger: Logger) {
  let known: ReadonlySet<string> | undefined;
  let told: string | undefined;
  const tell = (reason: string): void => {
    if (told !== reason)
      logger.warn("the list of feature categories cannot be read; the last one is in force", { file, reason });
    told = reason;
  };
  return {
    async read(): Promise<ReadonlySet<string> | undefined> {
      if (file === undefined) return undefined;
      try {
        const reading = parseYaml(await readFile(file, "utf8"));
        if (reading.kind === "failed") tell(reading.message);
        else if (!Array.isArray(reading.value)) tell("it is no YAML list");
        else {
          told = undefined;
          known = new Set(reading.value.filter((item) => typeof item === "string"));
        }
      } catch (error) {
        tell(errorMessage(error));
      }
      return known;
    },
  };
}

/** One line for each file when it becomes invalid, and again when it is invalid for another reason. */
function reportNew(before: readonly DefinitionFile[], after: readonly DefinitionFile[], logger: Logger): void {
  const known = new Set(before.map((file) => JSON.stringify(file)));
  for (const entry of after) {
    const [first] = entry.errors;
    if (!first || known.has(JSON.stringify(entry))) continue;
    const { file, id, state } = entry;
    logger.warn("experience.definition_invalid", {
      file,
      covered_experience_id: id,
      field: first.field,
      reason: first.message,
      faults: entry.errors.length,
      kept_last_valid: state === "stale",
    });
  }
}

function etagOf(registry: Registry, files: readonly DefinitionFile[]): string {
  const content = JSON.stringify([registry.definitions.map(({ id, version }) => `${id}:${version}`), files]);
  return `"${createHash("sha256").update(content).digest("base64url").slice(0, 22)}"`;
}
