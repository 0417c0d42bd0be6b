import type { FastifyInstance } from "fastify";
import type { RouteDependencies } from "./dependencies.js";
import { answeringForStore } from "./store-answer.js";

/** For platforms that scale to zero: somebody else's timer closes what is overdue. */
export function registerReaperRoutes(app: FastifyInstance, { reaper }: RouteDependencies): void {
  app.post("/reaper/tick", {
    config: { access: { scope: "experience:admin" }, errors: ["state_store_unavailable"] },
    schema: {
      summary: "Close overdue runs, for at most 5 seconds or 5,000 runs",
      tags: ["experiences"],
      response: {
        200: {
          description: "What was closed and what is left.",
          type: "object",
          required: ["expired", "remaining", "oldest_overdue_s"],
          properties: {
            expired: { type: "integer" },
            remaining: { type: "boolean", description: "Whether more are overdue." },
            oldest_overdue_s: { type: "number" },
          },
          examples: [{ expired: 17, remaining: false, oldest_overdue_s: 0 }],
        },
      },
    },
    handler: () =>
      answeringForStore(async () => {
        const { expired, remaining, oldestOverdueS } = await reaper.tick();
        return { expired, remaining, oldest_overdue_s: oldestOverdueS };
      }),
  });
}
