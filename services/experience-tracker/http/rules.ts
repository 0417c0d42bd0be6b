import type { FastifyInstance } from "fastify";
import { trackerProblem } from "../errors.js";
import type { RuleFile } from "../rule-files.js";
import type { RuleFormat } from "../rules/index.js";
import type { RouteDependencies } from "./dependencies.js";
import { isKnown } from "./entity-tag.js";
import { experienceParameter } from "./reports/schemas.js";

interface RuleRoute {
  readonly path: string;
  readonly format: RuleFormat;
  readonly summary: string;
  readonly description: string;
  readonly contentType: string;
  readonly example: string;
}

const routes: readonly RuleRoute[] = [
  {
    path: "/rules/prometheus.yml",
    format: "prometheus",
    summary: "Generate rules for Prometheus",
    description: "Recorded rates and ratios of all experiences, and alerts on the budgets of each.",
    contentType: "application/yaml",
    example: "groups:\n  - name: signalbox-experiences-sli-5m\n",
  },
  {
    path: "/rules/openslo.yml",
    format: "openslo",
    summary: "Generate OpenSLO objects",
    description: "Objectives and alert policies of each experience, a document for each object.",
    contentType: "application/yaml",
    example: "---\napiVersion: openslo/v1\nkind: Service\n",
  },
  {
    path: "/rules/grafana.json",
    format: "grafana",
    summary: "Generate a dashboard for Grafana",
    description: "To be imported as it is. It shows what the generated rules record.",
    contentType: "application/json",
    example: '{ "uid": "signalbox-experiences" }\n',
  },
];

const ofOneExperience = {
  type: "object",
  additionalProperties: false,
  properties: {
    experience: {
      ...experienceParameter,
      description:
        "Only the budgets and alerts of this experience, to be read or copied; the rates are in the whole file.",
    },
  },
} as const;

/** What operators load elsewhere, generated from the definitions that are in force. */
export function registerRuleRoutes(app: FastifyInstance, { ruleFiles }: RouteDependencies): void {
  const partOf = (experienceId: string): RuleFile => {
    const part = ruleFiles.partOf(experienceId);
    if (!part) throw trackerProblem("definition_not_found");
    return part;
  };

  for (const { path, format, summary, description, contentType, example } of routes)
    app.get<{ Querystring: { readonly experience?: string } }>(path, {
      config: {
        access: { scope: "experience:read" },
        ...(format === "prometheus" && { errors: ["definition_not_found"] }),
      },
      schema: {
        summary,
        description,
        tags: ["experiences"],
        ...(format === "prometheus" && { querystring: ofOneExperience }),
        response: {
          200: {
            description: "The file. Equal definitions give equal bytes.",
            headers: { ETag: { type: "string", description: "Changes with the file." } },
            content: { [contentType]: { schema: { type: "string", examples: [example] } } },
          },
          304: { description: "The file is the one that is known.", type: "null" },
        },
      },
      async handler(request, reply) {
        const { experience } = request.query;
        const { text, etag } = experience === undefined ? await ruleFiles.file(format) : partOf(experience);
        reply.header("cache-control", "private, no-cache");
        if (isKnown(request, reply, etag)) return reply;
        return reply.type(`${contentType}; charset=utf-8`).send(Buffer.from(text));
      },
    });
}
