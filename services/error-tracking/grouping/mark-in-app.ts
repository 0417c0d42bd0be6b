import type { ErrorEvent, Frame, Stacktrace } from "../digest/error-event.js";
import type { GroupingRules } from "./grouping.js";
import { isInApp } from "./v1/in-app.js";

/**
 * Writes into every frame whether it belongs to the application, so that the page of an event and its culprit agree
 * with the grouping. What the client said is kept as `orig_in_app` where it differs, for a later decision by other rules;
 * null stands for a client that said nothing of a frame which the rules decided otherwise than everybody else's.
 */
export function markInApp(event: ErrorEvent, rules: GroupingRules = {}): void {
  const stacks: (Stacktrace | undefined)[] = [event.stacktrace];
  for (const exception of event.exception?.values ?? []) stacks.push(exception.stacktrace);
  for (const thread of event.threads?.values ?? []) stacks.push(thread.stacktrace);
  for (const stack of stacks) if (stack !== undefined) markStack(stack.frames, event, rules);
}

function markStack(frames: readonly Frame[], event: ErrorEvent, rules: GroupingRules): void {
  const decisions = rules.stack?.decide(frames, event, (frame) => isInApp(frame, event, rules));
  for (const [index, frame] of frames.entries()) {
    const byOthers = isInApp(frame, event, {});
    const inApp = decisions?.[index]?.inApp ?? isInApp(frame, event, rules);
    delete frame["orig_in_app"];
    if (inApp !== byOthers) frame["orig_in_app"] = frame.in_app ?? null;
    frame.in_app = inApp;
  }
}
