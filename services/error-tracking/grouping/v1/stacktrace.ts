import type { ErrorEvent, Frame, Stacktrace } from "../../digest/error-event.js";
import type { Component, GroupingRules } from "../grouping.js";
import { node, without } from "./component.js";
import { familyOf } from "./family.js";
import { frameComponent, functionName, hasUrlOrigin } from "./frame.js";
import { isInApp, withInAppAsSent } from "./in-app.js";
import { abortStart, meaninglessNativeFrames } from "./native-frames.js";

/** One stack seen twice: by the application's frames only, and by all of them. */
export interface StackComponents {
  readonly app: Component;
  readonly all: Component;
}

const noStack: StackComponents = { app: node("stacktrace", []), all: node("stacktrace", []) };

export function stackComponents(
  stacktrace: Stacktrace | undefined,
  event: ErrorEvent,
  rules: GroupingRules,
): StackComponents {
  if (stacktrace === undefined) return noStack;
  const { frames } = stacktrace;
  // Rules run in order from what was sent, whether or not the frames were marked by them before.
  const ofClient = (frame: Frame): boolean => isInApp(withInAppAsSent(frame), event, rules);
  const decisions = rules.stack?.decide(frames, event, ofClient);
  const inApp = frames.map((frame, index) => decisions?.[index]?.inApp ?? ofClient(frame));
  const all = allFrames(frames, event, inApp).map((component, index) =>
    decisions?.[index]?.group === false ? without(component, "left out by a rule of the project") : component,
  );
  const app = all.map((component, index) => (inApp[index] ? component : without(component, "not of the application")));
  return { app: node("stacktrace", app), all: node("stacktrace", all) };
}

function allFrames(frames: readonly Frame[], event: ErrorEvent, inApp: readonly boolean[]): Component[] {
  if (isLoneNamelessFrame(frames, event)) {
    return frames.map((frame) => without(frameComponent(frame, event), "the only frame, a page without function"));
  }
  const meaningless = nativeHints(frames, event, inApp);
  return frames.map((frame, index) => {
    const component = frameComponent(frame, event);
    const hint = meaningless?.get(index);
    if (hint !== undefined) return without(component, hint);
    return isRecursion(frame, frames[index - 1]) ? without(component, "recursion") : component;
  });
}

/** The frames up to where it happened: those of how the program gave up are not among them. */
export function framesToCrashSite(frames: readonly Frame[], event: ErrorEvent): readonly Frame[] {
  const inApp = frames.map((frame) => frame.in_app === true);
  return frames.slice(0, abortStart(nativeNames(frames, event), inApp));
}

function nativeHints(frames: readonly Frame[], event: ErrorEvent, inApp: readonly boolean[]) {
  const names = nativeNames(frames, event);
  if (names.every((name) => name === undefined)) return undefined;
  return meaninglessNativeFrames(names, inApp);
}

/** Stable names of the functions of native frames. */
function nativeNames(frames: readonly Frame[], event: ErrorEvent): (string | undefined)[] {
  return frames.map((frame) => {
    const family = familyOf(frame.platform ?? event.platform);
    return family === "native" ? functionName(frame, family) : undefined;
  });
}

function isLoneNamelessFrame(frames: readonly Frame[], event: ErrorEvent): boolean {
  const [frame] = frames;
  if (frame === undefined || frames.length !== 1) return false;
  const family = familyOf(frame.platform ?? event.platform);
  return family === "javascript" && functionName(frame, family) === undefined && hasUrlOrigin(frame);
}

function isRecursion(frame: Frame, before: Frame | undefined): boolean {
  return (
    before !== undefined &&
    frame.abs_path === before.abs_path &&
    frame.package === before.package &&
    frame.module === before.module &&
    frame.filename === before.filename &&
    frame.function === before.function &&
    frame.lineno === before.lineno &&
    frame.colno === before.colno
  );
}
