import type { ErrorEvent, Frame } from "../../digest/error-event.js";
import { tagValue } from "../../normalise/tags.js";
import type { Component, GroupingRules } from "../grouping.js";
import { leaf, node } from "./component.js";
import { leadingException } from "./exceptions.js";
import { familyOf } from "./family.js";
import { functionName } from "./frame.js";
import { isInApp } from "./in-app.js";
import { parameterise } from "./parameterise.js";

/** A part of a fingerprint: `{{ default }}`, or text with its variables filled in. */
export type FingerprintPart = { readonly kind: "default" } | { readonly kind: "text"; readonly component: Component };

const variable = /\{\{\s*([\w.@:-]{1,200})\s*\}\}/g;
const defaultPart = /^\s*\{\{\s*default\s*\}\}\s*$/;

/** The parts of a fingerprint of client or rule; undefined when it says no more than the default does. */
export function fingerprintParts(
  sent: readonly string[],
  event: ErrorEvent,
  rules: GroupingRules,
): readonly FingerprintPart[] | undefined {
  const parts = sent.map((part): FingerprintPart => {
    if (defaultPart.test(part)) return { kind: "default" };
    return { kind: "text", component: partComponent(fillVariables(part, event, rules), part) };
  });
  return parts.some(({ kind }) => kind === "text") ? parts : undefined;
}

/** The text with the values of its variables; unknown ones stay as they are. */
export function fillVariables(text: string, event: ErrorEvent, rules: GroupingRules): string {
  return text.replaceAll(variable, (found: string, name: string) => variableValue(name, event, rules) ?? found);
}

/** An empty part counts: it tells `["a", ""]` from `["a"]`. */
function partComponent(filled: string, original: string): Component {
  if (filled === "") return { name: "part", contributes: true, token: "" };
  return leaf("part", filled, { original });
}

/** The default grouping together with the parts, in the order that the client gave. */
export function combined(parts: readonly FingerprintPart[], defaultHash: string | undefined): Component {
  return node(
    "fingerprint",
    parts.map((part) => (part.kind === "text" ? part.component : leaf("default", defaultHash ?? "default"))),
  );
}

/** The value of a variable, `<no X>` when the event has none, undefined for a variable that does not exist. */
function variableValue(name: string, event: ErrorEvent, rules: GroupingRules): string | undefined {
  if (name.startsWith("tags.")) return tagValue(event.tags, name.slice(5)) ?? `<no ${name}>`;
  const read = variables.get(name);
  return read === undefined ? undefined : (read(event, rules) ?? `<no ${name}>`);
}

type VariableReader = (event: ErrorEvent, rules: GroupingRules) => string | undefined;

const variables: ReadonlyMap<string, VariableReader> = new Map<string, VariableReader>([
  ["error.type", (event) => leadingException(event)?.type],
  ["error.value", (event) => leadingException(event)?.value],
  ["message", (event) => messageOf(event)],
  ["function", (event, rules) => crashFunction(event, rules)],
  ["module", (event, rules) => crashFrame(event, rules)?.module],
  ["package", (event, rules) => crashFrame(event, rules)?.package],
  ["stack.abs_path", (event, rules) => crashFrame(event, rules)?.abs_path],
  ["transaction", (event) => event.transaction],
  ["level", (event) => event.level],
  ["logger", (event) => event.logger],
  ["release", (event) => event.release],
  ["environment", (event) => event.environment],
  ["platform", (event) => event.platform],
]);

function messageOf(event: ErrorEvent): string | undefined {
  const text = event.logentry?.message ?? event.logentry?.formatted ?? leadingException(event)?.value;
  return text === undefined ? undefined : parameterise(text);
}

function crashFunction(event: ErrorEvent, rules: GroupingRules): string | undefined {
  const frame = crashFrame(event, rules);
  return frame && functionName(frame, familyOf(frame.platform ?? event.platform));
}

/** Where it happened: the last frame of the application, else the last frame. */
export function crashFrame(event: ErrorEvent, rules: GroupingRules = {}): Frame | undefined {
  const frames = framesOf(event);
  return frames.findLast((frame) => isInApp(frame, event, rules)) ?? frames.at(-1);
}

/** The stack that stands for an event: of its leading exception, of its crashed thread, or its own. */
export function framesOf(event: ErrorEvent): readonly Frame[] {
  const ofException =
    leadingException(event)?.stacktrace ?? event.exception?.values.findLast((e) => e.stacktrace)?.stacktrace;
  return (ofException ?? leadingThreadStack(event) ?? event.stacktrace)?.frames ?? [];
}

export function leadingThreadStack(event: ErrorEvent) {
  const threads = event.threads?.values ?? [];
  const crashed = threads.filter((thread) => thread.crashed === true);
  const leading = threads.length === 1 ? threads[0] : crashed.length === 1 ? crashed[0] : undefined;
  return leading?.stacktrace;
}
