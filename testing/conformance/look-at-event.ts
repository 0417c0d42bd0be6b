import type { Expected } from "./languages.js";

/** What the server gives back of an event, as far as it is looked at. */
export interface ArrivedEvent {
  readonly culprit: string;
  readonly payload: {
    readonly event_id: string;
    readonly release?: string;
    readonly user?: { readonly id?: string; readonly username?: string };
    readonly tags?: readonly (readonly [string, string])[];
    readonly breadcrumbs?: { readonly values: readonly { readonly message?: string; readonly category?: string }[] };
    readonly exception?: {
      readonly values: readonly { readonly stacktrace?: { readonly frames: readonly Frame[] } }[];
    };
  };
}

interface Frame {
  readonly function?: string;
  readonly in_app?: boolean;
}

/** What is not as the program sent it; empty when all is well. */
export function problemsOf({ culprit, payload }: ArrivedEvent, expected: Expected): string[] {
  const problems: string[] = [];
  const failed = expected.frames.at(-1)?.function ?? "";
  if (!culprit.includes(failed)) problems.push(`culprit "${culprit}" does not name ${failed}`);
  if (payload.release !== "shop@2.3.4") problems.push(`release ${payload.release}`);
  if (payload.user?.id !== "buyer-7" || payload.user.username !== "buyer") {
    problems.push(`user ${JSON.stringify(payload.user)}`);
  }
  if (!payload.tags?.some(([key, value]) => key === "basket" && value === "green")) {
    problems.push(`tags ${JSON.stringify(payload.tags)}`);
  }
  const breadcrumbs = payload.breadcrumbs?.values ?? [];
  if (!breadcrumbs.some(({ message, category }) => message === "the shop opens" && category === "shop")) {
    problems.push(`breadcrumbs ${JSON.stringify(breadcrumbs)}`);
  }
  return [...problems, ...frameProblems(payload.exception?.values.at(-1)?.stacktrace?.frames ?? [], expected)];
}

/** The expected frames must come in their order; others may stand between them. */
function frameProblems(frames: readonly Frame[], expected: Expected): string[] {
  let from = 0;
  for (const { function: name, inApp } of expected.frames) {
    const index = frames.findIndex((frame, position) => position >= from && frame.function?.includes(name) === true);
    if (index < 0) {
      return [`frame ${name} is missing or out of order in ${frames.map((frame) => frame.function).join(" > ")}`];
    }
    if (frames[index]?.in_app !== inApp) return [`frame ${name} has in_app ${frames[index]?.in_app}`];
    from = index + 1;
  }
  return [];
}
