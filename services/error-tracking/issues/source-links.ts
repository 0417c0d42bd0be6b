import { isJsonObject, type JsonObject } from "@signalbox/sentry-protocol";
import type { RepositorySettings } from "../projects/project-settings.js";
import { fileOfFrame, framesOfPayload } from "./payload-frames.js";

/**
 * Where the lines of an event's own frames stand in the repository: adds `source_link` to each. Returns a new text.
 * `commits` has the newest commit of releases that have any.
 */
export function addSourceLinks(
  payload: string,
  repository: RepositorySettings | undefined,
  commits: ReadonlyMap<string, string> = new Map(),
): string {
  if (repository === undefined) return payload;
  const event: unknown = JSON.parse(payload);
  if (!isJsonObject(event)) return payload;
  const { release } = event;
  const known = typeof release === "string" ? commits.get(release) : undefined;
  const version = known ?? commitOf(release) ?? repository.defaultBranch;
  for (const frame of framesOfPayload(event)) {
    if (frame["in_app"] !== true) continue;
    const link = sourceLink(frame, repository, version);
    if (link !== undefined) frame["source_link"] = link;
  }
  return JSON.stringify(event);
}

/** The release that a stored event names. */
export function releaseIn(payload: string): string | undefined {
  const event: unknown = JSON.parse(payload);
  return isJsonObject(event) && typeof event["release"] === "string" ? event["release"] : undefined;
}

/** A release that is nothing but a commit. */
function commitOf(release: unknown): string | undefined {
  const version = typeof release === "string" ? release.slice(release.lastIndexOf("@") + 1) : "";
  return /^[0-9a-f]{7,40}$/.test(version) ? version : undefined;
}

function sourceLink(frame: JsonObject, repository: RepositorySettings, commit: string): string | undefined {
  const path = fileOfFrame(frame) ?? frame["abs_path"];
  if (typeof path !== "string") return undefined;
  const { urlTemplate, stripPrefixes, addPrefix } = repository;
  const normal = path.replaceAll("\\", "/");
  const prefix = [...stripPrefixes].sort((a, b) => b.length - a.length).find((one) => normal.startsWith(one)) ?? "";
  // What is left of an address tells where a page was served, not where its source is.
  if (normal.slice(prefix.length).includes("://")) return undefined;
  const inRepository = `${addPrefix}${normal.slice(prefix.length)}`.replace(/^\/+/, "");
  if (inRepository === "" || inRepository.split("/").includes("..")) return undefined;
  const line = typeof frame["lineno"] === "number" ? frame["lineno"] : 1;
  return urlTemplate
    .replaceAll("{commit}", encodeURIComponent(commit))
    .replaceAll("{path}", inRepository.split("/").map(encodeURIComponent).join("/"))
    .replaceAll("{line}", String(line));
}

/** The prefilled form of the forge for a new issue; undefined without a template. */
export function newIssueLink(
  template: string | undefined,
  facts: { readonly title: string; readonly description: string; readonly url: string },
): string | undefined {
  return template
    ?.replaceAll("{title}", encodeURIComponent(facts.title))
    .replaceAll("{description}", encodeURIComponent(facts.description))
    .replaceAll("{url}", encodeURIComponent(facts.url));
}
