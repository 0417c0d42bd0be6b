import { isJsonObject, type JsonObject, type JsonValue } from "@signalbox/sentry-protocol";
import type { StoredEvent } from "./find-events.js";
import type { Issue } from "./list-issues.js";

const maxFrames = 50;
const maxTags = 50;
const maxBreadcrumbs = 20;

/** An issue for people and programs to read, with its newest event. */
export function issueMarkdown(issue: Issue, shortId: string, newest: StoredEvent | undefined): string {
  const facts = [
    ["Status", issue.status === "unresolved" ? `${issue.status} (${issue.substatus})` : issue.status],
    ["Level", issue.level],
    ["Platform", issue.platform],
    ["Where", issue.culprit],
    ["Events", String(issue.event_count)],
    ["Users", String(issue.user_count)],
    ["First seen", `${iso(issue.first_seen_ms)}${issue.first_release === null ? "" : ` in ${issue.first_release}`}`],
    ["Last seen", `${iso(issue.last_seen_ms)}${issue.last_release === null ? "" : ` in ${issue.last_release}`}`],
    ["Assigned to", issue.assignee ?? "nobody"],
  ] as const;
  const head = [
    `# ${text(`${shortId}: ${issue.title}`)}`,
    "",
    ...facts.map(([name, value]) => `- ${name}: ${text(value)}`),
  ];
  const event = newest === undefined ? [] : ["", "## Newest event", "", ...eventLines(newest)];
  return `${[...head, ...event].join("\n")}\n`;
}

/** An event for people and programs to read. */
export function eventMarkdown(event: StoredEvent): string {
  return `${[`# ${text(`${event.name}: ${event.description}`)}`, "", ...eventLines(event)].join("\n")}\n`;
}

function eventLines(event: StoredEvent): string[] {
  const payload: unknown = JSON.parse(event.payload);
  const raw = isJsonObject(payload) ? payload : {};
  return [
    `- Event: ${event.eventId}`,
    `- Time: ${event.occurredAt}`,
    `- Environment: ${text(event.environment)}`,
    ...(typeof raw["release"] === "string" ? [`- Release: ${text(raw["release"])}`] : []),
    ...list(raw, "exception").toReversed().flatMap(exceptionLines),
    ...messageLines(raw),
    ...requestLines(raw),
    ...tagLines(raw),
    ...breadcrumbLines(raw),
  ];
}

function exceptionLines(exception: JsonObject): string[] {
  const stack = exception["stacktrace"];
  const frames = isJsonObject(stack) && Array.isArray(stack["frames"]) ? stack["frames"].filter(isJsonObject) : [];
  return [
    "",
    `### ${text(`${word(exception["type"]) || "Error"}: ${word(exception["value"])}`)}`,
    ...(frames.length === 0 ? [] : ["", ...block(frames.slice(-maxFrames).toReversed().map(frameLine))]),
  ];
}

function frameLine(frame: JsonObject): string {
  const place = word(frame["filename"]) || word(frame["module"]) || word(frame["abs_path"]);
  const line = typeof frame["lineno"] === "number" ? `:${frame["lineno"]}` : "";
  const source = word(frame["context_line"]).trim();
  const mark = frame["in_app"] === true ? "*" : " ";
  return `${mark} ${word(frame["function"]) || "?"} (${place}${line})${source === "" ? "" : `  ${source}`}`;
}

function messageLines(raw: JsonObject): string[] {
  const entry = raw["logentry"];
  const message = isJsonObject(entry) ? word(entry["formatted"]) : "";
  return message === "" ? [] : ["", "### Message", "", ...block(message.split("\n"))];
}

function requestLines(raw: JsonObject): string[] {
  const request = raw["request"];
  if (!isJsonObject(request) || word(request["url"]) === "") return [];
  return ["", `### Request`, "", ...block([`${word(request["method"]) || "GET"} ${word(request["url"])}`])];
}

function tagLines(raw: JsonObject): string[] {
  const tags = Array.isArray(raw["tags"]) ? raw["tags"].filter(Array.isArray).slice(0, maxTags) : [];
  if (tags.length === 0) return [];
  return ["", "### Tags", "", ...tags.map((tag) => `- ${text(word(tag[0]))}: ${text(word(tag[1]))}`)];
}

function breadcrumbLines(raw: JsonObject): string[] {
  const crumbs = list(raw, "breadcrumbs").slice(-maxBreadcrumbs);
  if (crumbs.length === 0) return [];
  const lines = crumbs.map((crumb) =>
    [word(crumb["timestamp"]), word(crumb["category"]), word(crumb["message"])].filter((part) => part !== "").join(" "),
  );
  return ["", "### Before it", "", ...block(lines)];
}

function list(raw: JsonObject, key: string): JsonObject[] {
  const holder = raw[key];
  const values = isJsonObject(holder) ? holder["values"] : undefined;
  return Array.isArray(values) ? values.filter(isJsonObject) : [];
}

function word(value: JsonValue | undefined): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** Text of an event in a line: nothing in it becomes markup. */
function text(value: string): string {
  return value.replaceAll(/[\r\n]+/g, " ").replaceAll(/[\\`*_{}[\]<>()#!|~]/g, "\\$&");
}

/** Lines that stand as they are: the fence is longer than any in them. */
function block(lines: readonly string[]): string[] {
  const longest = Math.max(2, ...lines.flatMap((line) => line.match(/`+/g) ?? []).map((ticks) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return [fence, ...lines.map((line) => line.replaceAll(/[\r\n]+/g, " ")), fence];
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
