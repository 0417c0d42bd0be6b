import { parseTimestamp } from "@signalbox/experience";
import { HttpProblem } from "@signalbox/http";
import type { ReportWindow } from "../../reports/window.js";
import { experienceParameter } from "./schemas.js";

const days = { "7d": 7, "28d": 28 } as const;

export const windowParameters = {
  window: {
    enum: Object.keys(days),
    default: "28d",
    description: "Time to look at, until now; unless `from` says otherwise.",
    examples: ["28d"],
  },
  from: { type: "string", description: "Beginning of the time to look at.", examples: ["2026-02-01T00:00:00Z"] },
  to: { type: "string", description: "End of it. Default: now.", examples: ["2026-03-01T00:00:00Z"] },
} as const;

export interface WindowQuery {
  readonly window: keyof typeof days;
  readonly from?: string;
  readonly to?: string;
}

export interface ExperienceQuery extends WindowQuery {
  readonly experience: string;
}

/** What a report of one experience takes. */
export const experienceQuery = {
  type: "object",
  additionalProperties: false,
  required: ["experience"],
  properties: { ...windowParameters, experience: experienceParameter },
} as const;

const time = { type: "string", format: "date-time" } as const;
export const windowProperties = { from: time, to: time } as const;
export const windowExample = { from: "2026-02-01T00:00:00.000Z", to: "2026-03-01T00:00:00.000Z" } as const;

/** @throws {HttpProblem} 400 for what is no time, or a time that ends before it begins */
export function windowOf({ window, from, to }: WindowQuery, nowMs: number): ReportWindow {
  const toMs = to === undefined ? nowMs : timeOf("to", to);
  const fromMs = from === undefined ? toMs - days[window] * 86_400_000 : timeOf("from", from);
  if (fromMs >= toMs) throw new HttpProblem("invalid_parameter", { detail: "`from` is not before `to`." });
  return { fromMs, toMs };
}

export function windowBody({ fromMs, toMs }: ReportWindow) {
  return { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
}

function timeOf(name: string, value: string): number {
  const timeMs = parseTimestamp(value);
  if (timeMs === undefined) throw new HttpProblem("invalid_parameter", { detail: `\`${name}\` is not a time.` });
  return timeMs;
}
