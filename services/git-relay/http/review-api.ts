import { HttpProblem } from "@signalbox/http";
import { encodeNpub } from "@signalbox/nostr";
import type { FastifyInstance } from "fastify";
import type { EventReview } from "../review-events.js";

export interface ReviewApiOptions {
  /** Absent: the relay, and with it the policy, is in another process. */
  readonly review: ((maxUnfit: number, signal: AbortSignal) => Promise<EventReview>) | undefined;
}

const reviewSchema = {
  type: "object",
  required: ["checked", "unfit", "is_cut"],
  properties: {
    checked: { type: "integer", minimum: 0, description: "Events that were looked at." },
    unfit: {
      type: "array",
      description: "Newest first.",
      items: {
        type: "object",
        required: ["event_id", "kind", "author", "message"],
        properties: {
          event_id: { type: "string" },
          kind: { type: "integer" },
          author: { type: "string", description: "npub" },
          message: { type: "string", description: "How it would be refused today." },
        },
      },
    },
    is_cut: { type: "boolean", description: "Whether there may be more." },
  },
} as const;

const reviewExample = {
  checked: 12_000,
  unfit: [
    {
      event_id: "4376c65d2f232afbe9b882a35baa4f6fe8667c4e684749af565f981833ed6a65",
      kind: 30_617,
      author: "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg",
      message: "blocked: the repository is not welcome here",
    },
  ],
  is_cut: false,
};

/** What the policy of today says about events that were stored before, below `/api/v1/relay`. */
export function registerReviewRoute(app: FastifyInstance, { review }: ReviewApiOptions): void {
  app.get<{ Querystring: { limit: number } }>("/policy/review", {
    config: { access: { scope: "relay:admin" }, errors: ["unavailable"] },
    schema: {
      summary: "List stored events that would be refused today",
      description: "Looks at all stored events, which takes a while. Nothing is changed.",
      tags: ["relay"],
      querystring: {
        type: "object",
        properties: {
          limit: {
            type: "integer",
            minimum: 1,
            maximum: 10_000,
            default: 1_000,
            description: "Stops after so many.",
            examples: [1_000],
          },
        },
      },
      response: {
        200: {
          description: "What no longer fits.",
          content: {
            "application/json": { schema: reviewSchema, examples: { review: { value: reviewExample } } },
          },
        },
      },
    },
    async handler(request, reply) {
      if (!review) throw new HttpProblem("unavailable", { detail: "The relay runs in another process; ask that one." });
      const gone = new AbortController();
      reply.raw.once("close", () => gone.abort());
      const { checked, unfit, isCut } = await review(request.query.limit, gone.signal);
      return {
        checked,
        unfit: unfit.map(({ event, message }) => ({
          event_id: event.id,
          kind: event.kind,
          author: encodeNpub(event.pubkey),
          message,
        })),
        is_cut: isCut,
      };
    },
  });
}
