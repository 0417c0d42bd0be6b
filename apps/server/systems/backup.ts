import { freezeTables } from "@signalbox/analytics";
import { HttpProblem } from "@signalbox/http";
import type { FastifyPluginAsync } from "fastify";
import { removeAbandonedStaging } from "../backup/staging.js";
import type { Stores } from "../compose.js";
import { dataPaths } from "../data-paths.js";
import { serverErrors } from "../errors.js";
import type { SystemDefinition } from "./system.js";

/** What `signalbox backup` needs of the process that holds the embedded analytics engine. */
export const backup: SystemDefinition = {
  name: "backup",
  catalogues: [serverErrors],

  create({ stores, config }) {
    return {
      // What backups left behind that were cut off holds deleted data on the disk.
      service: {
        name: "backup",
        start: () => removeAbandonedStaging(dataPaths(config)),
        stop: async () => {},
      },
      routes: [{ role: "dashboard", plugin: createBackupApi(stores) }],
    };
  },
};

function createBackupApi({ analytics }: Stores): FastifyPluginAsync {
  return async (app) => {
    app.post<{ Body: { name: string } }>(
      "/api/v1/backup/freezes",
      {
        config: { access: { scope: "admin" }, errors: ["BACKUP_NOT_EMBEDDED", "unavailable"] },
        schema: {
          summary: "Keep the present rows of the embedded analytics store for a backup",
          description:
            "Tables get a second name for their files, below `analytics/shadow` of the data directory. Whoever asked for them " +
            "removes that folder; the next start or backup does it otherwise.",
          tags: ["backup"],
          body: {
            type: "object",
            required: ["name"],
            additionalProperties: false,
            properties: {
              name: {
                type: "string",
                pattern: "^[a-z][a-z0-9_]{0,63}$",
                description: "Name of the folder.",
                examples: ["backup_4711"],
              },
            },
          },
          response: {
            201: {
              description: "The rows are kept.",
              content: {
                "application/json": {
                  schema: {
                    type: "object",
                    required: ["name", "tables"],
                    properties: {
                      name: { type: "string" },
                      tables: { type: "array", items: { type: "string" } },
                    },
                  },
                  examples: { example: { value: { name: "backup_4711", tables: ["error_events"] } } },
                },
              },
            },
          },
        },
      },
      async (request, reply) => {
        const { BACKUP_NOT_EMBEDDED: notEmbedded } = serverErrors.entries;
        if (analytics.engine !== "chdb") throw new HttpProblem("BACKUP_NOT_EMBEDDED", notEmbedded);
        const { name } = request.body;
        const tables = await freezeTables(analytics, name);
        return reply.code(201).send({ name, tables: [...tables] });
      },
    );
  };
}
