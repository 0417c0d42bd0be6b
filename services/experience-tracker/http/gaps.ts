import type { FastifyInstance } from "fastify";
import { type RouteDependencies, tenantOfRequest } from "./dependencies.js";
import { answeringForStore } from "./store-answer.js";

const rememberedMs = 90 * 86_400_000;
const time = { type: "string", format: "date-time" } as const;

/** What the measurement did not see. */
export function registerGapRoute(app: FastifyInstance, dependencies: RouteDependencies): void {
  const { store, clock } = dependencies;
  app.get("/gaps", {
    config: { access: { scope: "experience:read" }, errors: ["state_store_unavailable"] },
    schema: {
      summary: "List the times in which checkpoints could not arrive",
      description:
        "Also those in which one producer, who always had something to send, sent nothing: then only what its types take part in is concerned.",
      tags: ["experiences"],
      response: {
        200: {
          description: "Gaps of the last 90 days, oldest first.",
          type: "object",
          required: ["gaps"],
          properties: {
            gaps: {
              type: "array",
              items: {
                type: "object",
                required: ["from", "to", "reason", "replica"],
                properties: {
                  from: time,
                  to: { ...time, description: "Now, where it goes on." },
                  reason: { enum: ["tracker_down", "store_down", "producer_silent"] },
                  replica: { type: "string", description: "The process that found it." },
                  producer: { type: "string", description: "Who is or was silent." },
                  types: { type: "array", items: { type: "string" }, description: "Types that this producer sends." },
                  goes_on: { type: "boolean", description: "Whether the producer is silent still." },
                },
              },
            },
          },
          examples: [
            {
              gaps: [
                {
                  from: "2026-02-06T14:30:00.000Z",
                  to: "2026-02-06T14:31:10.000Z",
                  reason: "tracker_down",
                  replica: "01JKDXW5V8Q0R3T6Y9ABCDEFGH",
                },
              ],
            },
          ],
        },
      },
    },
    handler: (request) =>
      answeringForStore(async () => {
        const tenant = tenantOfRequest(request, dependencies);
        const gaps = await store.gaps(clock.nowMs() - rememberedMs);
        return {
          gaps: gaps
            .filter(({ silence }) => silence === undefined || silence.tenant === tenant)
            .map(({ fromMs, toMs, reason, replica, silence }) => ({
              from: new Date(fromMs).toISOString(),
              to: new Date(toMs).toISOString(),
              reason,
              replica,
              ...(silence && { producer: silence.producer, types: silence.types, goes_on: silence.goesOn }),
            })),
        };
      }),
  });
}
