import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { relative, resolve, sep } from "node:path";
import { canonicalJson } from "../canonical-json.js";
import { matchesGlob } from "./globs.js";
import type { RuleContext } from "./rule.js";

/** `settings["event-store"]` of a linter's configuration. */
export interface LintSettings {
  /** Globs of the files, or of the package names, that belong to each context. */
  readonly contexts?: Readonly<Record<string, readonly string[]>>;
  /** Globs of the files that belong to each edition; all others are core. */
  readonly editions?: Readonly<Record<string, readonly string[]>>;
  /** File with what `signalbox events list --json` printed. */
  readonly manifest?: string;
  /** Names, `*` for any text, of what is published to: others that have a `publish` are left alone. Default: any. */
  readonly stores?: readonly string[];
  /** Event types, `*` for any text, that need no documentation. */
  readonly exempt?: readonly string[];
}

export function settingsOf({ settings }: RuleContext): LintSettings {
  const own = settings["event-store"];
  return typeof own === "object" && own !== null ? own : {};
}

/** The path of the linted file as globs name it: from the working directory, with forward slashes. */
export function pathOf(context: RuleContext): string {
  return toPath(context, context.filename);
}

export function toPath({ cwd }: RuleContext, file: string): string {
  return relative(cwd, resolve(cwd, file)).split(sep).join("/");
}

/** The context that a path or package name belongs to; the first that names it. */
export function contextOf(context: RuleContext, path: string): string | undefined {
  return ownerOf(settingsOf(context).contexts, path);
}

/** The edition that a path belongs to; `undefined` for core. */
export function editionOf(context: RuleContext, path: string): string | undefined {
  return ownerOf(settingsOf(context).editions, path);
}

function ownerOf(owners: LintSettings["contexts"], path: string): string | undefined {
  return Object.entries(owners ?? {}).find(([, globs]) => matchesGlob(path, globs))?.[0];
}

const manifests = new Map<string, { readonly changedAtMs: number; readonly subscribers: ReadonlySet<string> }>();

/** Names of the subscribers in the manifest; `undefined` without one. @throws when the file cannot be read. */
export function subscribersOf(context: RuleContext): ReadonlySet<string> | undefined {
  const { manifest } = settingsOf(context);
  if (manifest === undefined) return undefined;
  const path = resolve(context.cwd, manifest);
  const changedAtMs = statSync(path).mtimeMs;
  let known = manifests.get(path);
  if (known?.changedAtMs !== changedAtMs) {
    known = { changedAtMs, subscribers: new Set(subscriberNames(JSON.parse(readFileSync(path, "utf8")))) };
    manifests.set(path, known);
  }
  return known.subscribers;
}

function subscriberNames(manifest: unknown): string[] {
  if (typeof manifest !== "object" || manifest === null || !("subscriptions" in manifest)) return [];
  const { subscriptions } = manifest;
  if (!Array.isArray(subscriptions)) return [];
  return subscriptions.map((one) => one?.subscriber).filter((name) => typeof name === "string");
}

/**
 * 64 hexadecimal digits that change with everything that findings depend on beside the code: for the key under which a
 * build keeps the linter's cache.
 */
export function cacheKey(settings: LintSettings, { cwd = process.cwd() }: { readonly cwd?: string } = {}): string {
  const { contexts = {}, editions = {}, exempt = [], stores = null, manifest } = settings;
  const content = manifest === undefined ? null : readFileSync(resolve(cwd, manifest), "utf8");
  return createHash("sha256")
    .update(
      canonicalJson({
        contexts: Object.entries(contexts),
        editions: Object.entries(editions),
        exempt,
        stores,
        content,
      }),
    )
    .digest("hex");
}
