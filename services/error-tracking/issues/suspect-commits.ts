import { isJsonObject, type JsonObject } from "@signalbox/sentry-protocol";
import { fileOfFrame, framesOfPayload } from "./payload-frames.js";
import type { Commit } from "./save-release.js";

const maxSuspects = 5;

/** A commit that may have brought an error in, with those of its files that the error's stack goes through. */
export interface SuspectCommit {
  readonly commit: Commit;
  readonly paths: readonly string[];
}

/**
 * Commits that touched a file in which the application's part of a stack runs, newest first. Where files of one name lie in
 * several folders, a frame means those whose path agrees with its own for the longest, seen from the end.
 */
export function suspectCommits(payload: string, oldestFirst: readonly Commit[]): SuspectCommit[] {
  const touched = byFileName(oldestFirst.flatMap(({ paths = [] }) => paths));
  const meant = new Set(ownPaths(payload).flatMap((path) => closest(path, touched.get(path.at(-1) ?? "") ?? [])));
  return oldestFirst
    .map((commit) => ({ commit, paths: (commit.paths ?? []).filter((path) => meant.has(path)) }))
    .filter(({ paths }) => paths.length > 0)
    .reverse()
    .slice(0, maxSuspects);
}

interface TouchedFile {
  readonly path: string;
  readonly parts: readonly string[];
}

function byFileName(paths: readonly string[]): ReadonlyMap<string, readonly TouchedFile[]> {
  const files = new Map<string, TouchedFile[]>();
  for (const path of new Set(paths)) {
    const parts = partsOf(path);
    const name = parts.at(-1) ?? "";
    const same = files.get(name);
    if (same) same.push({ path, parts });
    else files.set(name, [{ path, parts }]);
  }
  return files;
}

function closest(wanted: readonly string[], candidates: readonly TouchedFile[]): string[] {
  const agreeing = candidates.map(({ path, parts }) => ({ path, length: commonSuffix(wanted, parts) }));
  const longest = Math.max(...agreeing.map(({ length }) => length));
  return agreeing.filter(({ length }) => length === longest).map(({ path }) => path);
}

function commonSuffix(a: readonly string[], b: readonly string[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a.at(-1 - length) === b.at(-1 - length)) length++;
  return length;
}

/** Where the frames of the application are, each path once, as its parts. */
function ownPaths(payload: string): readonly (readonly string[])[] {
  const event: unknown = JSON.parse(payload);
  if (!isJsonObject(event)) return [];
  const paths = framesOfPayload(event)
    .filter((frame) => frame["in_app"] === true)
    .map(pathOf)
    .filter((path) => path !== undefined);
  return [...new Set(paths)].map(partsOf).filter((parts) => parts.length > 0);
}

function pathOf(frame: JsonObject): string | undefined {
  const { abs_path: absPath } = frame;
  return typeof absPath === "string" ? absPath : fileOfFrame(frame);
}

/** Without host and query of an address, and without what only leads to the place. */
function partsOf(path: string): string[] {
  return path
    .replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, "")
    .replace(/[?#].*$/s, "")
    .split(/[\\/]/)
    .filter((part) => part !== "" && part !== "." && part !== "..");
}
