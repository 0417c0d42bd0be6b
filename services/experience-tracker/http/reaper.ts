import type { FastifyInstance } from "fastify";
import type { RouteDependencies } from "./dependencies.js";
import { answeringForStore } from "./store-answer.js";

/** For platforms that scale to zero: somebody else's timer closes what is overdue. */
export function registerReaperRoutes(app: FastifyInstance, { reaper, store, clock }: RouteDependencies): void {
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

  app.get("/gaps", {
    config: { access: { scope: "experience:read" }, errors: ["state_store_unavailable"] },
    schema: {
      summary: "List the times in which checkpoints could not arrive",
      tags: ["experiences"],
      response: {
        200: {
          description: "Gaps of the last 90 days, oldest first.",
          type: "object",
          properties: {
            gaps: {
              type: "array",
              items: {
                type: "object",
                properties: {
                  from: { type: "string", format: "date-time" },
                  to: { type: "string", format: "date-time" },
                  reason: { type: "string" },
                  replica: { type: "string" },
                },
              },
            },
          },
          examples: [{ gaps: [] }],
        },
      },
    },
    handler: () =>
      answeringForStore(async () => ({
        gaps: (await store.gaps(clock.nowMs() - 90 * 86_400_000)).map(({ fromMs, toMs, reason, replica }) => ({
          from: new Date(fromMs).toISOString(),
          to: new Date(toMs).toISOString(),
          reason,
          replica,
        })),
      })),
  });
}
