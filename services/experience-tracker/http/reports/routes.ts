import type { Definition } from "@signalbox/experience";
import type { FastifyInstance } from "fastify";
import { trackerProblem } from "../../errors.js";
import type { RouteDependencies } from "../dependencies.js";
import { registerBurnRates } from "./burn-rates.js";
import { registerCategories, registerExperiences } from "./experiences.js";
import { registerFunnel } from "./funnel.js";
import { registerLateness } from "./lateness.js";
import { registerLatency, registerSeries } from "./over-time.js";
import { registerWhatIf } from "./what-if.js";

/** What each report's route is made with. */
export interface ReportRoute {
  readonly app: FastifyInstance;
  readonly dependencies: RouteDependencies;
  readonly config: typeof config;
  /** @throws {HttpProblem} 404 for an experience that nobody defined */
  knownExperience(id: string): Definition;
}

const config = {
  access: { scope: "experience:read" },
  errors: ["invalid_parameter", "state_store_unavailable", "unavailable"],
} as const;

export function registerReportRoutes(app: FastifyInstance, dependencies: RouteDependencies): void {
  const route: ReportRoute = {
    app,
    dependencies,
    config,
    knownExperience(id) {
      const definition = dependencies.definitions.registry.get(id);
      if (!definition) throw trackerProblem("definition_not_found");
      return definition;
    },
  };
  registerExperiences(route);
  registerCategories(route);
  registerSeries(route);
  registerLatency(route);
  registerFunnel(route);
  registerLateness(route);
  registerBurnRates(route);
  registerWhatIf(route);
}
