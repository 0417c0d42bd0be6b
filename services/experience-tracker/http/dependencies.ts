import type { ExperienceStore } from "@signalbox/experience";
import { HttpProblem, type Principal, principalOf } from "@signalbox/http";
import type { Clock } from "@signalbox/kernel";
import type { FastifyRequest } from "fastify";
import type { Definitions } from "../definitions.js";
import type { StoreWatch } from "../heartbeat.js";
import type { History } from "../history.js";
import type { Intake } from "../intake.js";
import type { IntakeMetrics } from "../intake-metrics.js";
import type { ProducerActivityBook } from "../producer-activity.js";
import type { Producers } from "../producers.js";
import type { Quarantine } from "../quarantine.js";
import type { Reaper } from "../reaper.js";
import type { JourneySettings } from "../reports/journeys.js";
import type { Reports } from "../reports/reports.js";
import type { RuleFiles } from "../rule-files.js";

export interface RouteDependencies {
  readonly store: ExperienceStore;
  readonly definitions: Definitions;
  readonly intake: Intake;
  readonly producers: Producers;
  readonly activity: ProducerActivityBook;
  readonly quarantine: Quarantine;
  readonly reaper: Reaper;
  readonly watch: StoreWatch;
  readonly history: History;
  readonly reports: Reports;
  readonly ruleFiles: RuleFiles;
  readonly journeys: JourneySettings;
  readonly metrics: IntakeMetrics;
  readonly clock: Clock;
  readonly corsOrigins: readonly string[];
  readonly tenantClaim: string | undefined;
}

const tenantPattern = /^[A-Za-z0-9_.:-]{1,64}$/;

/** Whose runs a token writes and reads. @throws {HttpProblem} 403 when its claim names no tenant. */
export function tenantOf(principal: Principal, claim: string | undefined): string {
  if (claim === undefined) return "default";
  const value = principal.claims?.[claim];
  if (typeof value === "string" && tenantPattern.test(value)) return value;
  throw new HttpProblem("insufficient_scope", { detail: "The token names no tenant." });
}

export function tenantOfRequest(request: FastifyRequest, { tenantClaim }: RouteDependencies): string {
  return tenantOf(principalOf(request), tenantClaim);
}
