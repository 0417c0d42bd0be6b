import { isJsonObject } from "@signalbox/sentry-protocol";
import type { ErrorEvent, Exception } from "../../digest/error-event.js";
import type { Component, GroupingRules } from "../grouping.js";
import { hashTokens, ignored, leaf, node, tokensOf } from "./component.js";
import { textComponent } from "./message.js";
import { stackComponents } from "./stacktrace.js";

/** The chain of exceptions seen twice: by the application's frames, and by all frames. */
export interface ExceptionComponents {
  /** Absent when no frame of the application contributes anywhere. */
  readonly app: Component | undefined;
  readonly all: Component;
}

export function exceptionComponents(event: ErrorEvent, rules: GroupingRules): ExceptionComponents {
  const seen = (event.exception?.values ?? []).map((exception) => seeException(exception, event, rules));
  const { members, groupType } = withoutGroupNodes(seen);
  const hasAppFrames = members.some(({ app }) => app.hasFrames);
  return {
    app: hasAppFrames
      ? chain(
          members.map(({ app }) => app.component),
          groupType,
        )
      : undefined,
    all: chain(
      members.map(({ all }) => all.component),
      groupType,
    ),
  };
}

/** The exception that stands for an event: for groups of equal exceptions the one inside, else the last one. */
export function leadingException(event: ErrorEvent): Exception | undefined {
  const exceptions = event.exception?.values ?? [];
  if (!exceptions.some(isGroupNode)) return exceptions.at(-1);
  const seen = exceptions.map((exception) => seeException(exception, event, {}));
  const { members, groupType } = withoutGroupNodes(seen);
  return groupType === undefined ? members[0]?.exception : (exceptions.find(isRootGroup) ?? exceptions.at(-1));
}

interface SeenException {
  readonly exception: Exception;
  readonly app: { readonly component: Component; readonly hasFrames: boolean };
  readonly all: { readonly component: Component };
}

function seeException(exception: Exception, event: ErrorEvent, rules: GroupingRules): SeenException {
  const stack = stackComponents(exception.stacktrace, event, rules);
  const type = typeComponent(exception);
  const nsError = nsErrorComponent(exception);
  const hasFrames = stack.all.contributes;
  const value =
    hasFrames || nsError.contributes
      ? ignored("value", exception.value, hasFrames ? "the stack says more" : "the error code says more")
      : textComponent("value", exception.value);
  return {
    exception,
    // Without frames of its own in this variant, only the kind of the exception is about the application.
    app: {
      component: node("exception", stack.app.contributes ? [type, nsError, stack.app] : [type]),
      hasFrames: stack.app.contributes,
    },
    all: { component: node("exception", [type, nsError, stack.all, value]) },
  };
}

function typeComponent(exception: Exception): Component {
  // Synthetic types are made up by the SDK ("Error" for a rejected promise) and differ between its versions.
  if (exception.mechanism?.synthetic === true) return ignored("type", exception.type, "synthetic");
  return leaf("type", exception.type);
}

function nsErrorComponent(exception: Exception): Component {
  const nsError = exception.mechanism?.meta?.["ns_error"];
  if (!isJsonObject(nsError)) return node("ns_error", []);
  const text = (value: unknown): string | undefined =>
    typeof value === "string" || typeof value === "number" ? String(value) : undefined;
  return node("ns_error", [leaf("domain", text(nsError["domain"])), leaf("code", text(nsError["code"]))]);
}

function chain(members: readonly Component[], groupType: Component | undefined): Component {
  const contributing = members.filter((member) => member.contributes);
  if (groupType !== undefined) return node("exception_group", [...members, groupType]);
  if (members.length === 1 || contributing.length === 0) return node("exceptions", members);
  const link = leaf("link", "chain");
  return node(
    "exceptions",
    members.flatMap((member) => [link, member]),
  );
}

/**
 * Exception groups carry several failures at once. Their nodes say nothing by themselves; what counts is which
 * different failures are inside. `groupType` is there when more than one is.
 */
function withoutGroupNodes(seen: readonly SeenException[]): {
  members: readonly SeenException[];
  groupType: Component | undefined;
} {
  if (!seen.some(({ exception }) => isGroupNode(exception))) return { members: seen, groupType: undefined };
  const distinct = new Map<string, SeenException>();
  for (const inner of seen) {
    if (isGroupNode(inner.exception)) continue;
    const key = hashTokens(tokensOf(inner.all.component));
    if (!distinct.has(key)) distinct.set(key, inner);
  }
  if (distinct.size === 0) return { members: seen, groupType: undefined };
  if (distinct.size === 1) return { members: [...distinct.values()], groupType: undefined };
  const members = [...distinct].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, inner]) => inner);
  const outermost = outermostGroup(seen.map(({ exception }) => exception));
  return { members, groupType: outermost && { ...typeComponent(outermost), name: "group_type" } };
}

function isGroupNode(exception: Exception): boolean {
  return exception.mechanism?.is_exception_group === true;
}

/** A group that is what was raised, and not the cause or a part of something. */
function isRootGroup(exception: Exception): boolean {
  return isGroupNode(exception) && exception.mechanism?.parent_id === undefined;
}

/** The group that stands in no other one; it may be the cause of an exception. */
function outermostGroup(exceptions: readonly Exception[]): Exception | undefined {
  const groups = exceptions.filter(isGroupNode);
  const ids = new Set(groups.map(({ mechanism }) => mechanism?.exception_id));
  return (
    groups.find(isRootGroup) ?? groups.findLast(({ mechanism }) => !ids.has(mechanism?.parent_id)) ?? groups.at(-1)
  );
}
