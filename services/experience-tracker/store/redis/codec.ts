import {
  type Anomaly,
  anomalyReasons,
  type Checkpoint,
  type HeldEnd,
  identityKey,
  type LastSeen,
  type LateEnd,
  type Outcome,
  type PathStep,
  type PayloadWarning,
  type Rules,
  type Run,
  type RunIdentity,
  type RunStart,
  type RunStateName,
  type TimelineEntry,
  type Verdict,
  type VerdictReason,
} from "@signalbox/experience";

/** Fields of a run's hash by their short names; the script documents them. */
export type RunFields = ReadonlyMap<string, string>;

/** Of a hash as the script gives it: names and values in turn, divided by a character that none of them has. */
export function fieldsOf(joined: string): RunFields {
  const flat = joined.split("\u001f");
  const fields = new Map<string, string>();
  for (let index = 0; index + 1 < flat.length; index += 2) fields.set(flat[index] ?? "", flat[index + 1] ?? "");
  return fields;
}

export function decodeRun(identity: RunIdentity, fields: RunFields): Run {
  const text = (name: string): string | undefined => fields.get(name);
  const time = (name: string): number | undefined => {
    const value = fields.get(name);
    return value === undefined ? undefined : Number(value);
  };
  return {
    identity,
    // What the script wrote, or what a test of damaged records did: a state that nobody knows is judged by nobody.
    state: (text("s") ?? "orphan") as RunStateName,
    terms: {
      definitionVersion: text("v") ?? "",
      experienceLabel: text("x") ?? identity.experienceId,
      featureCategory: text("f") ?? "",
      urgency: (text("u") ?? "unregistered") as Run["terms"]["urgency"],
      thresholdMs: time("th") ?? 0,
      timeoutMs: time("to") ?? 0,
      inactivityTimeoutMs: time("ia"),
      path: decodePath(text("pa")),
    },
    bornAtMs: time("b") ?? 0,
    start: decodeStart(text, time),
    deadlineMs: deadlineOf(text, time),
    dueMs: time("q"),
    heldEnd: decodeHeldEnd(text, time),
    last: decodeLast(text, time),
    pathMarks: decodePathMarks(text("pm")),
    lastServerMs: lastServerMsOf(time) ?? 0,
    verdict: decodeVerdict(text, time),
    lateEnd: decodeLateEnd(text, time),
    uncounted: text("nc") === "1" ? true : undefined,
    recorded: time("n") ?? 0,
    position: time("p") ?? 0,
    anomalies: decodeAnomalies(text("a") ?? ""),
  };
}

/** Of an open run: its start and what the terms allow, from the last checkpoint on where silence counts too. */
function deadlineOf(text: Text, time: Time): number | undefined {
  const startedAtMs = time("sa");
  if (text("s") !== "open" || startedAtMs === undefined) return undefined;
  const totalMs = startedAtMs + (time("to") ?? 0);
  const inactivityMs = time("ia");
  return inactivityMs === undefined ? totalMs : Math.min(totalMs, (lastServerMsOf(time) ?? startedAtMs) + inactivityMs);
}

type Text = (name: string) => string | undefined;
type Time = (name: string) => number | undefined;

function decodeStart(text: Text, time: Time): RunStart | undefined {
  const occurredAtMs = time("sa");
  if (occurredAtMs === undefined) return undefined;
  return { occurredAtMs, serverAtMs: startServerMsOf(time) ?? occurredAtMs, trusted: text("st") !== "0" };
}

// What follows from other fields is not stored.

function startServerMsOf(time: Time): number | undefined {
  return time("ss") ?? time("b");
}

function lastServerMsOf(time: Time): number | undefined {
  return time("ls") ?? startServerMsOf(time);
}

function decodeHeldEnd(text: Text, time: Time): HeldEnd | undefined {
  const outcome = text("ho");
  if (outcome === undefined) return undefined;
  return {
    outcome: outcome as Outcome,
    occurredAtMs: time("ha") ?? 0,
    serverAtMs: time("hs") ?? 0,
    trusted: text("ht") === "1",
    type: text("hy") ?? "",
    typeLabel: text("hl") ?? "other",
    errorMessage: text("hm"),
    discardReason: text("hr"),
    discardLabel: text("hd"),
  };
}

function decodeLast(text: Text, time: Time): LastSeen | undefined {
  const type = text("ly");
  if (type === undefined) return undefined;
  return {
    type,
    typeLabel: text("ll") ?? type,
    category: text("lc"),
    sequence: time("lq"),
    occurredAtMs: time("la") ?? time("sa") ?? 0,
  };
}

function decodeVerdict(text: Text, time: Time): Verdict | undefined {
  const decidedAtMs = time("vd");
  if (decidedAtMs === undefined) return undefined;
  const apdex = text("vx");
  return {
    reason: text("vr") as VerdictReason | undefined,
    verdictAtMs: time("va") ?? decidedAtMs,
    decidedAtMs,
    endedAtMs: time("ve"),
    elapsedMs: time("vl"),
    apdexSuccess: apdex === undefined ? undefined : apdex === "1",
    type: text("vy") ?? "other",
    errorMessage: text("vm"),
    discardReason: text("vi"),
  };
}

function decodeLateEnd(text: Text, time: Time): LateEnd | undefined {
  const atMs = time("ea");
  if (atMs === undefined) return undefined;
  return { atMs, outcome: text("eo") as Outcome, latenessMs: time("el") ?? 0 };
}

/** `cart,?address,payment~5000`: a question mark before optional steps, the longest gap in ms behind a tilde. */
function encodePath(path: Run["terms"]["path"]): string {
  const step = ({ category, optional, maxGapMs }: PathStep): string =>
    `${optional ? "?" : ""}${category}${maxGapMs === undefined ? "" : `~${maxGapMs}`}`;
  return (path ?? []).map(step).join(",");
}

function decodePath(joined: string | undefined): Run["terms"]["path"] {
  return joined?.split(",").map((text) => {
    const [name = "", gap] = text.split("~");
    const optional = name.startsWith("?");
    return {
      category: optional ? name.slice(1) : name,
      optional,
      maxGapMs: gap === undefined ? undefined : Number(gap),
    };
  });
}

/** `0@1770000000000,2@1770000000500`: steps of the path with the time at which they were seen. */
function decodePathMarks(joined: string | undefined): Run["pathMarks"] {
  return joined?.split(",").map((text) => {
    const [step, atMs] = text.split("@");
    return { step: Number(step), atMs: Number(atMs) };
  });
}

const knownAnomalies: ReadonlySet<string> = new Set(anomalyReasons);

function decodeAnomalies(joined: string): Anomaly[] {
  return joined.split(",").filter((name): name is Anomaly => knownAnomalies.has(name));
}

/** What else a producer sent, in the short form of the timeline. */
interface Sent {
  readonly g?: string;
  readonly s?: number;
  readonly q?: number;
  readonly o?: Outcome;
  readonly e?: string;
  readonly d?: string;
  readonly m?: Readonly<Record<string, string>>;
  readonly p?: string;
  readonly w?: readonly PayloadWarning[];
}

/** Empty where there is nothing else, as of most starts. */
function encodeSent(checkpoint: Checkpoint): string {
  const { category, sentAtMs, sequence, outcome, errorMessage, discardReason, meta, producer, warnings } = checkpoint;
  const sent: { [Key in keyof Sent]: Sent[Key] | undefined } = {
    g: category,
    s: sentAtMs,
    q: sequence,
    o: outcome,
    e: errorMessage,
    d: discardReason,
    m: meta,
    p: producer,
    w: warnings.length > 0 ? warnings : undefined,
  };
  const json = JSON.stringify(sent);
  return json === "{}" ? "" : json;
}

/** Of a content, as it is in front of the event key that is made from it. */
const digestLength = 11;
/** Values in front of what else the producer sent. */
const valuesOfEntry = 13;

/** @throws {TypeError} for what the script never wrote */
export function decodeEntry(eventKey: string, text: string): TimelineEntry {
  const { values, rest } = splitEntry(text);
  const [digest, server, occurred, applied, anomalies = "", state, opened, deadline, elapsed, apdex] = values;
  const [kind, type, client] = values.slice(-3);
  const serverAtMs = Number(server);
  const after = (offset: string | undefined): number | undefined => (offset ? serverAtMs + Number(offset) : undefined);
  const clientAtMs = serverAtMs + Number(client);
  const sent: Sent = rest === "" ? {} : JSON.parse(rest);
  return {
    eventKey,
    digest: digest || eventKey.slice(0, digestLength),
    kind: kindOf(kind),
    category: sent.g,
    type: type ?? "",
    clientAtMs,
    sentAtMs: sent.s,
    serverAtMs,
    occurredAtMs: after(occurred) ?? clientAtMs,
    sequence: sent.q,
    outcome: sent.o,
    errorMessage: sent.e,
    discardReason: sent.d,
    meta: sent.m,
    producer: sent.p,
    applied: applied === "1",
    anomalies: decodeAnomalies(anomalies),
    warnings: sent.w ?? [],
    reply: {
      state: state as RunStateName,
      opened: opened === "1",
      deadlineMs: after(deadline),
      elapsedMs: elapsed ? Number(elapsed) : undefined,
      apdexSuccess: apdex ? apdex === "1" : undefined,
    },
  };
}

function splitEntry(text: string): { readonly values: readonly string[]; readonly rest: string } {
  const values: string[] = [];
  let from = 0;
  while (values.length < valuesOfEntry) {
    const to = text.indexOf("|", from);
    if (to === -1) throw new TypeError("An entry of a timeline cannot be read");
    values.push(text.slice(from, to));
    from = to + 1;
  }
  return { values, rest: text.slice(from) };
}

function kindOf(letter: string | undefined): TimelineEntry["kind"] {
  if (letter === "s") return "start";
  return letter === "e" ? "end" : "intermediate";
}

/** What the script is told of the rules. `nowMs` is empty where the server's clock decides. */
export function situationArguments(nowMs: number | undefined, rules: Rules): string[] {
  return [
    nowMs === undefined ? "" : String(nowMs),
    String(rules.lateStartGraceMs),
    String(rules.missingStartGraceMs),
    String(rules.retentionMs),
    rules.rejectSkew ? "1" : "0",
  ];
}

/** Of which run it is told. */
export function runArguments(identity: RunIdentity): [key: string, member: string] {
  return [identityKey(identity), `${identity.correlationId}|${identity.run}`];
}

export function checkpointArguments(checkpoint: Checkpoint): string[] {
  const { terms } = checkpoint;
  const optional = (value: string | number | undefined): string => (value === undefined ? "" : String(value));
  return [
    checkpoint.uncounted ? "record" : "apply",
    checkpoint.eventKey,
    checkpoint.digest,
    checkpoint.kind,
    optional(checkpoint.category),
    checkpoint.type,
    checkpoint.typeLabel,
    String(checkpoint.clientAtMs),
    optional(checkpoint.sentAtMs),
    optional(checkpoint.ulidTimeMs),
    optional(checkpoint.sequence),
    // An end without an outcome succeeded.
    checkpoint.kind === "end" ? (checkpoint.outcome ?? "success") : "",
    optional(checkpoint.errorMessage),
    optional(checkpoint.discardReason),
    optional(checkpoint.discardLabel),
    checkpoint.anomalies.join(","),
    terms.definitionVersion,
    terms.experienceLabel,
    terms.featureCategory,
    terms.urgency,
    String(terms.thresholdMs),
    String(terms.timeoutMs),
    optional(terms.inactivityTimeoutMs),
    encodeSent(checkpoint),
    encodePath(terms.path),
  ];
}
