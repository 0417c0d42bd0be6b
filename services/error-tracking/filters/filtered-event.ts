import { isJsonObject, type JsonObject, type JsonValue } from "@signalbox/sentry-protocol";
import type { Connection } from "./filter-settings.js";

/** What filters look at. Texts that are not there are empty. */
export interface FilteredEvent {
  /** `Type: value` of each exception, and the message. */
  readonly messages: readonly string[];
  readonly release: string;
  readonly environment: string;
  readonly clientAddress: string;
  /** Of the request that the event tells of, else of the connection. */
  readonly userAgent: string;
  /** Of that request. */
  readonly url: string;
  readonly platform: string;
  /** Files of all stack frames. */
  readonly files: readonly string[];
}

/** The event is as an SDK sent it: any shape that the protocol knows, and everything else is passed over. */
export function readFilteredEvent(event: JsonObject, connection: Connection): FilteredEvent {
  const exceptions = listOf(event["exception"] ?? event["sentry.interfaces.Exception"]);
  const request = objectOf(event["request"] ?? event["sentry.interfaces.Http"]);
  return {
    messages: [...exceptions.map(messageOf), ...logentryOf(event)].filter((text) => text !== ""),
    release: text(event["release"]),
    environment: text(event["environment"]) || "production",
    clientAddress: connection.clientAddress ?? "",
    userAgent: headerOf(request["headers"], "user-agent") || connection.userAgent || "",
    url: text(request["url"]),
    platform: text(event["platform"]),
    files: exceptions.flatMap(filesOf),
  };
}

function messageOf(exception: JsonObject): string {
  const [type, value] = [text(exception["type"]), text(exception["value"])];
  return type !== "" && value !== "" ? `${type}: ${value}` : type + value;
}

function logentryOf(event: JsonObject): string[] {
  const { logentry = event["sentry.interfaces.Message"], message } = event;
  return [logentry, message].flatMap((entry) =>
    isJsonObject(entry) ? [text(entry["formatted"]), text(entry["message"])] : [text(entry)],
  );
}

function filesOf(exception: JsonObject): string[] {
  const { frames } = objectOf(exception["stacktrace"]);
  return listOf(frames).flatMap((frame) => [text(frame["abs_path"]), text(frame["filename"])].filter(Boolean));
}

/** Headers come as an object, or as a list of pairs. */
function headerOf(headers: JsonValue | undefined, name: string): string {
  const pairs = isJsonObject(headers) ? Object.entries(headers) : Array.isArray(headers) ? headers : [];
  for (const pair of pairs) {
    if (!Array.isArray(pair)) continue;
    const [key, value] = pair;
    if (typeof key === "string" && key.toLowerCase() === name) return text(Array.isArray(value) ? value[0] : value);
  }
  return "";
}

/** Lists come bare, as `values` of an object, or as a single object. */
function listOf(value: JsonValue | undefined): JsonObject[] {
  if (Array.isArray(value)) return value.filter(isJsonObject);
  if (!isJsonObject(value)) return [];
  return value["values"] === undefined ? [value] : listOf(value["values"]);
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function text(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}
