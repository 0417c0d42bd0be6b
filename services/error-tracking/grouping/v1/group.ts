import type { ErrorEvent } from "../../digest/error-event.js";
import { summariseSecurity } from "../../security/security-kinds.js";
import type { Component, Grouping, GroupingHash, GroupingRules, Strategy, VariantName } from "../grouping.js";
import type { MatchedFrame } from "../rule-matchers.js";
import { hashTokens, leaf, node, tokensOf } from "./component.js";
import { exceptionComponents } from "./exceptions.js";
import {
  combined,
  type FingerprintPart,
  fillVariables,
  fingerprintParts,
  framesOf,
  leadingThreadStack,
} from "./fingerprint.js";
import { isInApp } from "./in-app.js";
import { messageComponent } from "./message.js";
import { stackComponents } from "./stacktrace.js";

interface Variant {
  readonly name: VariantName;
  readonly component: Component;
}

interface Chosen {
  readonly strategy: Strategy;
  readonly variants: readonly Variant[];
}

/** Algorithm 1: what the event is about, in the order in which one says more than the next. */
export function groupV1(event: ErrorEvent, rules: GroupingRules): Grouping {
  const rule = rules.fingerprint?.find(event, () => matchedFrames(event, rules));
  const parts = fingerprintParts(rule?.parts ?? event.fingerprint ?? [], event, rules);
  const found = parts === undefined ? grouping(defaultGrouping(event, rules)) : byFingerprint(parts, event, rules);
  if (rule === undefined) return found;
  const title = rule.title === undefined ? undefined : fillVariables(rule.title, event, rules);
  return { ...found, rule: { text: rule.text, clientFingerprint: event.fingerprint }, title };
}

function byFingerprint(parts: readonly FingerprintPart[], event: ErrorEvent, rules: GroupingRules): Grouping {
  if (parts.every(({ kind }) => kind === "text"))
    return grouping({
      strategy: "fingerprint",
      variants: [{ name: "default", component: combined(parts, undefined) }],
    });
  const extended = grouping(defaultGrouping(event, rules)).hashes.map(({ hash, variant, component }) => ({
    name: variant,
    component: { ...combined(parts, hash), hint: `combined with the default, by ${component.name}` },
  }));
  return grouping({ strategy: "fingerprint", variants: extended });
}

/** Every frame that could tell of the error: those of causes, too. */
function matchedFrames(event: ErrorEvent, rules: GroupingRules): MatchedFrame[] {
  const ofExceptions = (event.exception?.values ?? []).flatMap(({ stacktrace }) => stacktrace?.frames ?? []);
  const frames = ofExceptions.length > 0 ? ofExceptions : framesOf(event);
  return frames.map((frame) => ({ frame, inApp: isInApp(frame, event, rules) }));
}

function defaultGrouping(event: ErrorEvent, rules: GroupingRules): Chosen {
  return (
    bySecurityReport(event) ??
    byExceptions(event, rules) ??
    byStack("thread", event, rules) ??
    byStack("stacktrace", event, rules) ??
    byTemplate(event) ??
    byMessage(event) ?? { strategy: "empty", variants: [variantOf("default", emptyComponent(event))] }
  );
}

function bySecurityReport(event: ErrorEvent): Chosen | undefined {
  const summary = summariseSecurity(event);
  if (summary === undefined) return undefined;
  const component = node(
    "security report",
    summary.tokens.map(({ name, token }) => leaf(name, token)),
  );
  return { strategy: "security", variants: [variantOf("default", component)] };
}

function byExceptions(event: ErrorEvent, rules: GroupingRules): Chosen | undefined {
  const { app, all } = exceptionComponents(event, rules);
  if (!all.contributes) return undefined;
  return { strategy: "exception", variants: appAndAll(app, all) };
}

function byStack(strategy: "thread" | "stacktrace", event: ErrorEvent, rules: GroupingRules): Chosen | undefined {
  const stack = strategy === "thread" ? leadingThreadStack(event) : event.stacktrace;
  const { app, all } = stackComponents(stack, event, rules);
  if (!all.contributes) return undefined;
  return { strategy, variants: appAndAll(app.contributes ? app : undefined, all) };
}

function byTemplate(event: ErrorEvent): Chosen | undefined {
  const { template } = event;
  const component = node("template", [
    leaf("filename", template?.filename ?? template?.abs_path),
    leaf("context_line", template?.context_line?.replaceAll(/\s+/g, " ").trim()),
  ]);
  return component.contributes ? { strategy: "template", variants: [variantOf("default", component)] } : undefined;
}

function byMessage(event: ErrorEvent): Chosen | undefined {
  const component = messageComponent(event.logentry);
  return component.contributes ? { strategy: "message", variants: [variantOf("default", component)] } : undefined;
}

function emptyComponent(event: ErrorEvent): Component {
  return node("empty", [leaf("constant", "empty"), leaf("logger", event.logger)]);
}

function appAndAll(app: Component | undefined, all: Component): Variant[] {
  return app === undefined ? [variantOf("all", all)] : [variantOf("app", app), variantOf("all", all)];
}

function variantOf(name: VariantName, component: Component): Variant {
  return { name, component };
}

/** Hashes of the variants in order; equal content is one hash, whatever the variant is called. */
function grouping({ strategy, variants }: Chosen): Grouping {
  const hashes: GroupingHash[] = [];
  for (const { name, component } of variants) {
    const hash = hashTokens(tokensOf(component));
    if (!hashes.some((other) => other.hash === hash)) hashes.push({ hash, variant: name, component });
  }
  return { version: 1, strategy, hashes };
}
