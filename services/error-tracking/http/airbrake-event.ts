import { isJsonObject, type JsonObject, type JsonValue } from "@signalbox/sentry-protocol";

/** What an Airbrake notifier (v3) sends, as an event. */
export function airbrakeEvent(notice: JsonObject): JsonObject {
  const context = objectOf(notice["context"]);
  const { errors, environment, session, params } = notice;
  // The first one is what was raised; what caused it follows.
  const values = (Array.isArray(errors) ? errors : []).filter(isJsonObject).map(exceptionOf).reverse();
  const notifier = objectOf(notice["notifier"] ?? context["notifier"]);
  const extra = filled({ environment, session, params, context });
  return filled({
    platform: platformOf(context["language"]),
    level: levels.get(context["severity"]) ?? "error",
    exception: values.length === 0 ? undefined : { values },
    release: context["version"],
    environment: context["environment"],
    server_name: context["hostname"],
    transaction: transactionOf(context),
    request: filled({
      url: context["url"],
      method: context["httpMethod"],
      headers: context["userAgent"] === undefined ? undefined : { "User-Agent": context["userAgent"] },
    }),
    user: userOf(context),
    sdk: filled({ name: notifier["name"], version: notifier["version"] }),
    extra,
  });
}

/** Notifiers name severities as syslog does. */
const levels: ReadonlyMap<JsonValue | undefined, string> = new Map([
  ["debug", "debug"],
  ["info", "info"],
  ["notice", "info"],
  ["warning", "warning"],
  ["error", "error"],
  ["critical", "fatal"],
  ["alert", "fatal"],
  ["emergency", "fatal"],
]);

function exceptionOf({ type, message, backtrace }: JsonObject): JsonObject {
  // The crash site comes first there and last here.
  const frames = (Array.isArray(backtrace) ? backtrace : []).filter(isJsonObject).map(frameOf).reverse();
  return filled({ type, value: message, stacktrace: frames.length === 0 ? undefined : { frames } });
}

const places = [
  { prefix: "/PROJECT_ROOT/", inApp: true },
  { prefix: "[PROJECT_ROOT]/", inApp: true },
  { prefix: "/GEM_ROOT/", inApp: false },
  { prefix: "[GEM_ROOT]/", inApp: false },
] as const;

function frameOf(line: JsonObject): JsonObject {
  const { file } = line;
  const name = typeof file === "string" ? file : "";
  const place = places.find(({ prefix }) => name.startsWith(prefix));
  return filled({
    filename: place === undefined ? file : name.slice(place.prefix.length),
    in_app: place?.inApp,
    lineno: line["line"],
    colno: line["column"],
    function: line["function"],
    context_line: contextLine(line["code"], line["line"]),
  });
}

/** Code comes as lines by their number. */
function contextLine(code: JsonValue | undefined, line: JsonValue | undefined): JsonValue | undefined {
  return isJsonObject(code) && (typeof line === "number" || typeof line === "string") ? code[String(line)] : undefined;
}

function transactionOf({ route, component, action }: JsonObject): JsonValue | undefined {
  if (typeof route === "string" && route !== "") return route;
  const parts = [component, action].filter((part) => typeof part === "string" && part !== "");
  return parts.length === 0 ? undefined : parts.join("#");
}

function userOf(context: JsonObject): JsonObject | undefined {
  const { id, name, email, username } = objectOf(context["user"]);
  const user = filled({ id, email, username: username ?? name, ip_address: context["userAddr"] });
  return Object.keys(user).length === 0 ? undefined : user;
}

function platformOf(language: JsonValue | undefined): string {
  const [name = ""] = (typeof language === "string" ? language : "").toLowerCase().split(/[\s/]/);
  if (name === "nodejs") return "node";
  return name === "golang" ? "go" : name === "" ? "other" : name;
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function filled(fields: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  const object: JsonObject = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) object[name] = value;
  return object;
}
