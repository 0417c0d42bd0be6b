import { canonicalCorrelationId } from "@signalbox/kernel";
import { compareReleases, newestRelease, type OrderedRelease } from "../issues/release-order.js";
import type { Comparison, Term } from "./parse-query.js";
import { invalidQuery } from "./query-error.js";
import { likePattern } from "./read-value.js";

/** A condition on `error_events` with its values, which travel as parameters. */
export interface EventCondition {
  readonly sql: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export interface EventScope {
  /** All releases of the project. Asked for only by queries that compare releases. */
  releases(): Promise<readonly OrderedRelease[]>;
}

type KeyTerm = Extract<Term, { kind: "key" }>;

interface Column {
  readonly name: string;
  readonly isArray?: boolean;
  /** Of a UUID column. */
  readonly isId?: boolean;
}

const columns: ReadonlyMap<string, Column> = new Map<string, Column>([
  ...[
    "level",
    "platform",
    "environment",
    "release",
    "dist",
    "transaction",
    "title",
    "message",
    "culprit",
    "logger",
    "server_name",
    "correlation_id",
    "type",
  ].map((name): [string, Column] => [name, { name }]),
  ["error.type", { name: "exception_types", isArray: true }],
  ["error.value", { name: "exception_values", isArray: true }],
  ["stack.filename", { name: "stack_files", isArray: true }],
  ["stack.function", { name: "stack_functions", isArray: true }],
  ["stack.module", { name: "stack_modules", isArray: true }],
  ["http.method", { name: "http_method" }],
  ["http.url", { name: "url" }],
  ["user.id", { name: "user_id" }],
  ["user.email", { name: "user_email" }],
  ["user.username", { name: "user_name" }],
  ["user.ip", { name: "user_ip" }],
  ["trace", { name: "trace_id" }],
  ["event_id", { name: "event_id", isId: true }],
  ["sdk.name", { name: "sdk_name" }],
  ["sdk.version", { name: "sdk_version" }],
]);

/** The condition that a term puts on an event. `index` tells the parameters of terms apart. */
export async function eventCondition(term: Term, index: number, scope: EventScope): Promise<EventCondition> {
  if (term.kind === "word") throw new Error("Words are looked for in issues.");
  const condition = term.kind === "has" ? hasCondition(term.key, index) : await keyCondition(term, index, scope);
  return term.negated ? { sql: `NOT (${condition.sql})`, params: condition.params } : condition;
}

function hasCondition(key: string, index: number): EventCondition {
  if (key === "user") return { sql: "user_hash <> 0", params: {} };
  const column = columns.get(key);
  if (column === undefined) return { sql: `has(tag_keys, {t${index}:String})`, params: { [`t${index}`]: key } };
  if (column.isId) return { sql: "1", params: {} };
  return { sql: column.isArray ? `arrayExists(x -> x <> '', ${column.name})` : `${column.name} <> ''`, params: {} };
}

async function keyCondition(term: KeyTerm, index: number, scope: EventScope): Promise<EventCondition> {
  const { key, values, comparison, offset } = term;
  if (key === "error.handled" || key === "error.unhandled") return handledCondition(term);
  if (key === "release") return releaseCondition(term, index, scope);
  if (comparison !== undefined) throw invalidQuery(offset, `${key} cannot be compared by ${comparison}`);
  const column = columns.get(key);
  const conditions = values.map((value, position) => {
    const name = `p${index}_${position}`;
    if (column === undefined) return tagCondition(key, value, name);
    if (column.isId) return idCondition(value, name, offset);
    return textCondition(column, key === "correlation_id" ? canonicalCorrelationId(value) : value, name);
  });
  return either(conditions);
}

function either(conditions: readonly EventCondition[]): EventCondition {
  return {
    sql: `(${conditions.map(({ sql }) => sql).join(" OR ")})`,
    params: Object.assign({}, ...conditions.map(({ params }) => params)),
  };
}

function textCondition({ name: column, isArray }: Column, value: string, name: string): EventCondition {
  const isPattern = value.includes("*");
  const params = { [name]: isPattern ? likePattern(value) : value };
  if (isArray)
    return {
      sql: isPattern ? `arrayExists(x -> x ILIKE {${name}:String}, ${column})` : `has(${column}, {${name}:String})`,
      params,
    };
  return { sql: isPattern ? `${column} ILIKE {${name}:String}` : `${column} = {${name}:String}`, params };
}

function tagCondition(key: string, value: string, name: string): EventCondition {
  if (!value.includes("*"))
    return { sql: `has(tag_hashes, cityHash64({${name}:String}))`, params: { [name]: `${key}=${value}` } };
  return {
    sql: `arrayExists((k, v) -> k = {${name}_key:String} AND v ILIKE {${name}:String}, tag_keys, tag_values)`,
    params: { [`${name}_key`]: key, [name]: likePattern(value) },
  };
}

function idCondition(value: string, name: string, offset: number): EventCondition {
  const hex = value.replaceAll("-", "").toLowerCase();
  if (!/^[0-9a-f]{32}$/.test(hex)) throw invalidQuery(offset, `${value} is no id of an event`);
  return {
    sql: `event_id = {${name}:UUID}`,
    params: { [name]: hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-") },
  };
}

function handledCondition({ key, values, comparison, offset }: KeyTerm): EventCondition {
  const [value = ""] = values;
  if (comparison !== undefined || values.length > 1) throw invalidQuery(offset, `${key} has one value, true or false`);
  const truth = new Map([
    ["true", true],
    ["yes", true],
    ["1", true],
    ["false", false],
    ["no", false],
    ["0", false],
  ]).get(value.toLowerCase());
  if (truth === undefined) throw invalidQuery(offset, `${key} is true or false`);
  const wantsUnhandled = truth === (key === "error.unhandled");
  return { sql: wantsUnhandled ? "handled = 'no'" : "handled <> 'no'", params: {} };
}

async function releaseCondition(
  { values, comparison }: KeyTerm,
  index: number,
  { releases }: EventScope,
): Promise<EventCondition> {
  if (comparison !== undefined) {
    const known = await releases();
    const [version = ""] = values;
    const versions = known.filter((release) => isInRange(release, version, comparison, known)).map((r) => r.version);
    return { sql: `release IN {v${index}:Array(String)}`, params: { [`v${index}`]: versions } };
  }
  const conditions: EventCondition[] = [];
  for (const [position, value] of values.entries()) {
    const wanted = value === "latest" ? newestRelease(await releases())?.version : value;
    if (wanted !== undefined) conditions.push(textCondition({ name: "release" }, wanted, `p${index}_${position}`));
  }
  return conditions.length === 0 ? { sql: "0", params: {} } : either(conditions);
}

function isInRange(
  release: OrderedRelease,
  version: string,
  comparison: Comparison,
  known: readonly OrderedRelease[],
): boolean {
  // A version that nobody has sent yet is compared as one that is made now.
  const bound = known.find((other) => other.version === version) ?? { version, createdAtMs: Number.MAX_SAFE_INTEGER };
  const order = compareReleases(release, bound);
  if (comparison === ">") return order > 0;
  if (comparison === ">=") return order >= 0;
  return comparison === "<" ? order < 0 : order <= 0;
}
