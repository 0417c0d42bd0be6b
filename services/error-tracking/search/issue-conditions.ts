import type { Engine } from "@signalbox/database";
import { type RawBuilder, type SqlBool, sql } from "kysely";
import type { Term } from "./parse-query.js";
import { invalidQuery } from "./query-error.js";
import { likePattern, readNumber, readTimeRange } from "./read-value.js";

export type Condition = RawBuilder<SqlBool>;

export interface IssueScope {
  /** Subject of the token: who `assigned:me` is. */
  readonly subject: string;
  readonly nowMs: number;
}

type KeyTerm = Extract<Term, { kind: "key" }>;

/** States of an issue by the names that `is:` knows. */
const states: ReadonlyMap<string, Condition> = new Map<string, Condition>([
  ["unresolved", sql<SqlBool>`issue.status = 'unresolved'`],
  ["resolved", sql<SqlBool>`issue.status = 'resolved'`],
  ["ignored", sql<SqlBool>`issue.status = 'ignored'`],
  ["archived", sql<SqlBool>`issue.status = 'ignored'`],
  ["new", sql<SqlBool>`(issue.status = 'unresolved' and issue.substatus = 'new')`],
  ["ongoing", sql<SqlBool>`(issue.status = 'unresolved' and issue.substatus = 'ongoing')`],
  ["regressed", sql<SqlBool>`(issue.status = 'unresolved' and issue.substatus = 'regressed')`],
  ["escalating", sql<SqlBool>`(issue.status = 'unresolved' and issue.substatus = 'escalating')`],
  ["assigned", sql<SqlBool>`issue.assignee is not null`],
  ["unassigned", sql<SqlBool>`issue.assignee is null`],
  ["linked", sql<SqlBool>`issue.link_url is not null`],
]);

/** Of these `is:` speaks of the status itself, so that no other status is meant beside it. */
const ofStatus = new Set([...states.keys()].filter((name) => !["assigned", "unassigned", "linked"].includes(name)));

export function speaksOfStatus(terms: readonly Term[]): boolean {
  return terms.some(
    (term) => term.kind === "key" && term.key === "is" && term.values.some((value) => ofStatus.has(value)),
  );
}

type MakeCondition = (term: KeyTerm, scope: IssueScope) => Condition;

const numeric =
  (column: string): MakeCondition =>
  ({ values, comparison, offset }) => {
    const operator = sql.raw(comparison ?? "=");
    return oneOf(values.map((text) => sql<SqlBool>`${sql.ref(column)} ${operator} ${readNumber(text, offset)}`));
  };

const moment =
  (column: string): MakeCondition =>
  (term, { nowMs }) => {
    const { fromMs, untilMs } = readTimeRange(term, nowMs);
    return fromMs === undefined
      ? sql<SqlBool>`${sql.ref(column)} <= ${untilMs ?? 0}`
      : sql<SqlBool>`${sql.ref(column)} >= ${fromMs}`;
  };

const anyOf =
  (column: string): MakeCondition =>
  (term) =>
    oneOf(uncompared(term).map((value) => matches(column, value)));

function oneOf(conditions: readonly Condition[]): Condition {
  return sql<SqlBool>`(${sql.join(conditions, sql` or `)})`;
}

/** The values of a key that only equals them. */
function uncompared({ key, values, comparison, offset }: KeyTerm): readonly string[] {
  if (comparison !== undefined) throw invalidQuery(offset, `${key} cannot be compared by ${comparison}`);
  return values;
}

function matches(column: string, value: string): Condition {
  const reference = sql`coalesce(${sql.ref(column)}, '')`;
  if (!value.includes("*")) return sql<SqlBool>`${reference} = ${value}`;
  return likeInAnyCase(reference, value, likePattern(value.toLowerCase()));
}

/**
 * That a text is like a pattern in lower case. Databases may know the cases of ASCII letters only, so the other letters
 * of what is looked for are turned one by one.
 */
function likeInAnyCase(text: RawBuilder<unknown>, sought: string, pattern: string): Condition {
  const others = new Set(sought.toLowerCase().match(/[^\0-\x7f]/gu));
  const folded = [...others].reduce((so, letter) => {
    const upper = letter.toUpperCase();
    return upper === letter ? so : sql`replace(${so}, ${upper}, ${letter})`;
  }, sql`lower(${text})`);
  return sql<SqlBool>`${folded} like ${pattern} escape '\\'`;
}

/** Keys that are answered by what is known of the issue itself. */
const keys: ReadonlyMap<string, MakeCondition> = new Map<string, MakeCondition>([
  ["is", isState],
  ["assigned", isAssigned],
  ["firstSeen", moment("issue.first_seen_ms")],
  ["lastSeen", moment("issue.last_seen_ms")],
  ["age", moment("issue.first_seen_ms")],
  ["timesSeen", numeric("issue.event_count")],
  ["users", numeric("issue.user_count")],
  ["firstRelease", anyOf("issue.first_release")],
]);

export function isIssueTerm(term: Term): boolean {
  if (term.kind === "word") return true;
  return term.kind === "has" ? term.key === "assigned" || term.key === "firstRelease" : keys.has(term.key);
}

/** The condition that a term on issues puts on `error_issues as issue`. */
export function issueCondition(term: Term, scope: IssueScope): Condition {
  if (term.kind === "word") return contained(term.text);
  if (term.kind === "has") {
    const column = term.key === "assigned" ? "issue.assignee" : "issue.first_release";
    return sql<SqlBool>`${sql.ref(column)} is ${sql.raw(term.negated ? "" : "not")} null`;
  }
  const condition = keys.get(term.key)?.(term, scope);
  if (condition === undefined) throw new Error("The key is not one of issues.");
  return term.negated ? sql<SqlBool>`not ${condition}` : condition;
}

function isState(term: KeyTerm): Condition {
  const conditions = uncompared(term).map((value) => {
    const condition = states.get(value);
    if (condition === undefined)
      throw invalidQuery(term.offset, `an error is never ${value}; it is ${[...states.keys()].join(", ")}`);
    return condition;
  });
  return oneOf(conditions);
}

function isAssigned(term: KeyTerm, { subject }: IssueScope): Condition {
  const conditions = uncompared(term).map((value) =>
    value === "none"
      ? sql<SqlBool>`issue.assignee is null`
      : sql<SqlBool>`coalesce(issue.assignee, '') = ${value === "me" ? subject : value}`,
  );
  return oneOf(conditions);
}

function contained(text: string): Condition {
  const pattern = `%${text.toLowerCase().replaceAll(/[\\%_]/g, "\\$&")}%`;
  const columns = ["title", "culprit", "description"].map((column) =>
    likeInAnyCase(sql.ref(`issue.${column}`), text, pattern),
  );
  return oneOf([...columns, ...hasShortId(text)]);
}

/** For a word that is formed like the short id of an issue: that it is this one's. */
function hasShortId(text: string): readonly Condition[] {
  const [, slug, number] = /^(.+)-([1-9]\d{0,8})$/.exec(text) ?? [];
  if (slug === undefined) return [];
  return [
    sql<SqlBool>`(issue.short_number = ${Number(number)} and exists (select 1 from projects
      where projects.id = issue.project_id and upper(projects.slug) = ${slug.toUpperCase()}))`,
  ];
}

/** That an issue owns one of these hashes. */
export function ownsHash(hashes: readonly string[], engine: Engine): Condition {
  const list = JSON.stringify(hashes);
  const values =
    engine === "sqlite"
      ? sql`select value from json_each(${list})`
      : sql`select value from json_array_elements_text(cast(${list} as json)) as input(value)`;
  return sql<SqlBool>`issue.id in (select owned.issue_id from error_hashes as owned
    where owned.project_id = issue.project_id and owned.hash in (${values}))`;
}
