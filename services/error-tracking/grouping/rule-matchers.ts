import type { ErrorEvent, Exception, Frame } from "../digest/error-event.js";
import { matchesGlob } from "../glob.js";
import { tagValue } from "../normalise/tags.js";
import type { RuleScanner } from "./rule-scanner.js";
import { familyOf } from "./v1/family.js";

/** What a rule looks at: `key:glob`, or `!key:glob` for the contrary. */
export interface Matcher {
  readonly key: MatcherKey;
  /** Of a tag. */
  readonly tag?: string | undefined;
  readonly glob: string;
  readonly negated: boolean;
}

const eventKeys = ["message", "logger", "level", "release", "sdk"] as const;
const exceptionKeys = ["type", "value"] as const;
const frameKeys = ["function", "module", "path", "package", "app"] as const;
type MatcherKey =
  | (typeof eventKeys)[number]
  | (typeof exceptionKeys)[number]
  | (typeof frameKeys)[number]
  | "tag"
  | "family";

const names: ReadonlyMap<string, MatcherKey> = new Map<string, MatcherKey>([
  ...[...eventKeys, ...exceptionKeys, ...frameKeys, "family" as const].map((key) => [key, key] as const),
  ["error.type", "type"],
  ["error.value", "value"],
  ["stack.function", "function"],
  ["stack.module", "module"],
  ["stack.abs_path", "path"],
  ["stack.package", "package"],
]);

const name = /[a-z][a-z_.]*(?:\.[\w.:-]{1,200})?/iy;
const bareGlob = /(?!->)[^\s"]+/y;

/** Reads matchers up to something that is none. */
export function readMatchers(scanner: RuleScanner): Matcher[] {
  const matchers: Matcher[] = [];
  for (;;) {
    const negated = scanner.take("!");
    const found = scanner.match(negated ? name : matcherStart);
    if (found === undefined) {
      if (negated) scanner.fail("a matcher is missing behind the exclamation mark");
      return matchers;
    }
    const tag = found.startsWith("tags.") ? found.slice(5) : undefined;
    const key = tag === undefined ? names.get(found) : "tag";
    if (key === undefined) return scanner.fail(`there is no matcher ${found}`);
    if (!scanner.take(":")) return scanner.fail("a colon is missing behind the matcher");
    const glob = scanner.word(bareGlob);
    if (glob === undefined) return scanner.fail("what to match is missing");
    matchers.push({ key, tag, glob, negated });
  }
}

/** A name only starts a matcher when a colon follows. */
const matcherStart = /[a-z][a-z_.]*(?:\.[\w.-]{1,200})?(?=\s*:)/iy;

/** A frame with what is known of it at this moment. */
export interface MatchedFrame {
  readonly frame: Frame;
  readonly inApp: boolean;
}

/**
 * Whether all matchers hold: those of frames for one and the same frame, those of exceptions for one and the same
 * exception (and, negated, for all of them), the others for the event.
 */
export function matchesEvent(
  matchers: readonly Matcher[],
  event: ErrorEvent,
  frames: () => readonly MatchedFrame[],
): boolean {
  const ofFrame = matchers.filter(isFrameMatcher);
  const ofException = matchers.filter(({ key }) => key === "type" || key === "value");
  const ofEvent = matchers.filter((matcher) => !ofFrame.includes(matcher) && !ofException.includes(matcher));
  const exceptions = event.exception?.values ?? [];
  const [wanted, unwanted] = [ofException.filter((m) => !m.negated), ofException.filter((m) => m.negated)];
  return (
    ofEvent.every((matcher) => holdsForEvent(matcher, event) !== matcher.negated) &&
    (wanted.length === 0 || exceptions.some((one) => wanted.every((matcher) => holdsForException(matcher, one)))) &&
    !unwanted.some((matcher) => exceptions.some((one) => holdsForException(matcher, one))) &&
    (ofFrame.length === 0 || frames().some((frame) => matchesFrame(ofFrame, frame, event)))
  );
}

export function isFrameMatcher({ key }: Matcher): boolean {
  return frameKeys.some((ofFrame) => ofFrame === key);
}

/** Whether one frame matches; `family` is the frame's own here, matchers of events look at its event. */
export function matchesFrame(matchers: readonly Matcher[], { frame, inApp }: MatchedFrame, event: ErrorEvent): boolean {
  return matchers.every((matcher) => {
    const { key, glob, negated } = matcher;
    if (key === "type" || key === "value")
      return (event.exception?.values ?? []).some((one) => holdsForException(matcher, one)) !== negated;
    if (key === "app") return (inApp === isYes(glob)) !== negated;
    if (key === "family") return matches(familyOf(frame.platform ?? event.platform), glob) !== negated;
    const holds = isFrameMatcher(matcher)
      ? textsOfFrame(key, frame).some((text) => matches(text, glob))
      : holdsForEvent(matcher, event);
    return holds !== negated;
  });
}

function textsOfFrame(key: MatcherKey, frame: Frame): string[] {
  const texts =
    key === "function"
      ? [frame.function]
      : key === "module"
        ? [frame.module]
        : key === "package"
          ? [frame.package]
          : [frame.abs_path, frame.filename];
  return texts.filter((text) => text !== undefined).map((text) => (key === "path" ? text.replaceAll("\\", "/") : text));
}

function holdsForException({ key, glob }: Matcher, { type, value }: Exception): boolean {
  return matches((key === "type" ? type : value) ?? "", glob);
}

function holdsForEvent({ key, tag, glob }: Matcher, event: ErrorEvent): boolean {
  const text = (): readonly (string | undefined)[] => {
    if (key === "tag") return [tagValue(event.tags, tag ?? "")];
    if (key === "family") return [familyOf(event.platform)];
    if (key === "sdk") return [event.sdk?.name];
    if (key === "level") return [event.level];
    if (key === "logger") return [event.logger];
    if (key === "release") return [event.release];
    const { logentry } = event;
    if (logentry === undefined) return (event.exception?.values ?? []).map(({ value }) => value);
    return [logentry.formatted, logentry.message];
  };
  return text().some((candidate) => matches(candidate ?? "", glob));
}

function matches(text: string, glob: string): boolean {
  return matchesGlob(text, glob);
}

function isYes(glob: string): boolean {
  return ["yes", "true", "1"].includes(glob.toLowerCase());
}
