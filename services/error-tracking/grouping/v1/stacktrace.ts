import type { ErrorEvent, Frame, Stacktrace } from "../../error-event.js";
import type { Component, GroupingRules } from "../grouping.js";
import { node, without } from "./component.js";
import { familyOf } from "./family.js";
import { frameComponent, functionName, hasUrlOrigin } from "./frame.js";
import { isInApp } from "./in-app.js";

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
  const all = allFrames(stacktrace.frames, event);
  const app = all.map((component, index) => {
    const frame = stacktrace.frames[index];
    return frame && isInApp(frame, event, rules) ? component : without(component, "not of the application");
  });
  return { app: node("stacktrace", app), all: node("stacktrace", all) };
}

function allFrames(frames: readonly Frame[], event: ErrorEvent): Component[] {
  if (isLoneNamelessFrame(frames, event)) {
    return frames.map((frame) => without(frameComponent(frame, event), "the only frame, a page without function"));
  }
  return frames.map((frame, index) => {
    const component = frameComponent(frame, event);
    return isRecursion(frame, frames[index - 1]) ? without(component, "recursion") : component;
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
