import {
  type Anomaly,
  anomalyReasons,
  type Checkpoint,
  type HeldEnd,
  type LateEnd,
  type Outcome,
  type PathStep,
  type PayloadWarning,
  type Rules,
  type Run,
  type RunIdentity,
  type RunStart,
  type RunStateName,
  type RunTerms,
  type TimelineEntry,
  type Verdict,
  type VerdictReason,
} from "@signalbox/experience";

/** Between the parts of a record, of a run or of a checkpoint, and of one of their groups: no value has control characters. */
export const divider = { record: "\u001d", part: "\u001e", value: "\u001f" } as const;

/** A run as the script keeps it, which also documents its parts. Empty is what it is without. */
export function decodeRun(identity: RunIdentity, joined: string): Run {
  const parts = joined.split(divider.part);
  const [state = "", joinedTerms = "", born, startedAt = "", startServer, startTrusted, due, lastServer] = parts;
  const [lastType = "", lastLabel, lastCategory, lastSequence, lastAt] = parts.slice(8);
  const [recorded, position, anomalies = "", pathMarks, uncounted, held = "", verdict = "", late = ""] =
    parts.slice(13);
  const terms = decodeTerms(identity, joinedTerms);
  const bornAtMs = Number(born);
  const start: RunStart | undefined =
    startedAt === ""
      ? undefined
      : {
          occurredAtMs: Number(startedAt),
          serverAtMs: timeOf(startServer) ?? bornAtMs,
          trusted: startTrusted !== "0",
        };
  const lastServerMs = timeOf(lastServer) ?? start?.serverAtMs ?? bornAtMs;
  return {
    identity,
    // What the script wrote, or what a test of damaged records did: a state that nobody knows is judged by nobody.
    state: state as RunStateName,
    terms,
    bornAtMs,
    start,
    deadlineMs: state === "open" && start ? deadlineOf(terms, start, lastServerMs) : undefined,
    dueMs: timeOf(due),
    heldEnd: decodeHeldEnd(held),
    last:
      lastType === ""
        ? undefined
        : {
            type: lastType,
            typeLabel: lastLabel || lastType,
            category: lastCategory || undefined,
            sequence: timeOf(lastSequence),
            occurredAtMs: timeOf(lastAt) ?? Number(startedAt),
          },
    pathMarks: decodePathMarks(pathMarks),
    lastServerMs,
    verdict: decodeVerdict(verdict),
    lateEnd: decodeLateEnd(late),
    uncounted: uncounted === "1" ? true : undefined,
    recorded: Number(recorded),
    position: Number(position),
    anomalies: decodeAnomalies(anomalies),
  };
}

function timeOf(text: string | undefined): number | undefined {
  return text ? Number(text) : undefined;
}

/** What the terms allow an open run, from the last checkpoint on where silence counts too. */
function deadlineOf({ timeoutMs, inactivityTimeoutMs }: RunTerms, start: RunStart, lastServerMs: number): number {
  const totalMs = start.occurredAtMs + timeoutMs;
  return inactivityTimeoutMs === undefined ? totalMs : Math.min(totalMs, lastServerMs + inactivityTimeoutMs);
}

function encodeTerms({ experienceId }: RunIdentity, terms: RunTerms): string {
  const { definitionVersion, experienceLabel, featureCategory, urgency, thresholdMs, timeoutMs } = terms;
  const label = experienceLabel === experienceId ? "" : experienceLabel;
  const inactivityMs = terms.inactivityTimeoutMs ?? "";
  return [
    definitionVersion,
    label,
    featureCategory,
    urgency,
    thresholdMs,
    timeoutMs,
    inactivityMs,
    encodePath(terms.path),
  ].join(divider.value);
}

function decodeTerms({ experienceId }: RunIdentity, joined: string): RunTerms {
  const [version = "", label, category = "", urgency, threshold, timeout, inactivity, path] = joined.split(
    divider.value,
  );
  return {
    definitionVersion: version,
    experienceLabel: label || experienceId,
    featureCategory: category,
    urgency: urgency as RunTerms["urgency"],
    thresholdMs: Number(threshold),
    timeoutMs: Number(timeout),
    inactivityTimeoutMs: timeOf(inactivity),
    path: decodePath(path),
  };
}

function decodeHeldEnd(joined: string): HeldEnd | undefined {
  if (joined === "") return undefined;
  const [outcome, at, server, trusted, type = "", label = "", message, reason, reasonLabel] = joined.split(
    divider.value,
  );
  return {
    outcome: outcome as Outcome,
    occurredAtMs: Number(at),
    serverAtMs: Number(server),
    trusted: trusted === "1",
    type,
    typeLabel: label,
    errorMessage: message || undefined,
    discardReason: reason || undefined,
    discardLabel: reasonLabel || undefined,
  };
}

function decodeVerdict(joined: string): Verdict | undefined {
  if (joined === "") return undefined;
  const [decided, reason, at, ended, elapsed, apdex, type = "", message, discard] = joined.split(divider.value);
  return {
    reason: (reason || undefined) as VerdictReason | undefined,
    verdictAtMs: Number(at),
    decidedAtMs: Number(decided),
    endedAtMs: timeOf(ended),
    elapsedMs: timeOf(elapsed),
    apdexSuccess: apdex ? apdex === "1" : undefined,
    type,
    errorMessage: message || undefined,
    discardReason: discard || undefined,
  };
}

function decodeLateEnd(joined: string): LateEnd | undefined {
  if (joined === "") return undefined;
  const [at, outcome, lateness] = joined.split(divider.value);
  return { atMs: Number(at), outcome: outcome as Outcome, latenessMs: Number(lateness) };
}

/** `cart,?address,payment~5000`: a question mark before optional steps, the longest gap in ms behind a tilde. */
function encodePath(path: Run["terms"]["path"]): string {
  const step = ({ category, optional, maxGapMs }: PathStep): string =>
    `${optional ? "?" : ""}${category}${maxGapMs === undefined ? "" : `~${maxGapMs}`}`;
  return (path ?? []).map(step).join(",");
}

function decodePath(joined: string | undefined): Run["terms"]["path"] {
  if (!joined) return undefined;
  return joined.split(",").map((text) => {
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
  if (!joined) return undefined;
  return joined.split(",").map((text) => {
    const [step, atMs] = text.split("@");
    return { step: Number(step), atMs: Number(atMs) };
  });
}

const knownAnomalies: ReadonlySet<string> = new Set(anomalyReasons);

function decodeAnomalies(joined: string): Anomaly[] {
  if (joined === "") return [];
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

/** Definitions are few, and every checkpoint of theirs has the same terms. */
const encodedTerms = new WeakMap<RunTerms, { readonly experienceId: string; readonly joined: string }>();

function joinedTermsOf({ identity, terms }: Checkpoint): string {
  const known = encodedTerms.get(terms);
  if (known?.experienceId === identity.experienceId) return known.joined;
  const joined = encodeTerms(identity, terms);
  encodedTerms.set(terms, { experienceId: identity.experienceId, joined });
  return joined;
}

/** What a step is told of a checkpoint. */
export function checkpointArgument(checkpoint: Checkpoint): string {
  return [
    checkpoint.eventKey,
    checkpoint.digest,
    checkpoint.kind,
    checkpoint.category ?? "",
    checkpoint.type,
    checkpoint.typeLabel,
    checkpoint.clientAtMs,
    checkpoint.sentAtMs ?? "",
    checkpoint.ulidTimeMs ?? "",
    checkpoint.sequence ?? "",
    // An end without an outcome succeeded.
    checkpoint.kind === "end" ? (checkpoint.outcome ?? "success") : "",
    checkpoint.errorMessage ?? "",
    checkpoint.discardReason ?? "",
    checkpoint.discardLabel ?? "",
    checkpoint.uncounted ? "1" : "",
    checkpoint.anomalies.join(","),
    joinedTermsOf(checkpoint),
    encodeSent(checkpoint),
  ].join(divider.part);
}
