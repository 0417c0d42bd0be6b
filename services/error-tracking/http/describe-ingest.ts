import type { IngestRoute } from "@signalbox/sentry-protocol";
import type { FastifySchema } from "fastify";

const id = { type: "string", description: "32 hex digits." } as const;
const idExample = "fc6d8c0c43fc4630ad850ee518f1b9d0";

const eventAnswer = {
  description: "Durably taken. Empty when nothing in it makes an event.",
  type: "object",
  properties: { id: { ...id, description: "The event's id, 32 hex digits." } },
  examples: [{ id: idExample }],
} as const;

const empty = { description: "Durably taken or counted.", type: "null" } as const;
const emptyObject = { description: "Durably taken or counted.", type: "object", examples: [{}] } as const;
const uuid = {
  description: "Durably taken: the id with dashes.",
  type: "string",
  examples: ["fc6d8c0c-43fc-4630-ad85-0ee518f1b9d0"],
} as const;

/** What each route takes, and how it answers when that is durable. */
const routes: Readonly<
  Record<IngestRoute, { readonly takes: string; readonly response: Readonly<Record<number, object>> }>
> = {
  envelope: { takes: "an envelope of items", response: { 200: eventAnswer } },
  store: { takes: "one event", response: { 200: eventAnswer } },
  security: { takes: "a browser's report about the policies of a page", response: { 200: empty } },
  minidump: { takes: "a form with a minidump in upload_file_minidump", response: { 200: uuid } },
  cron: {
    takes: "a check-in of a monitor",
    response: {
      202: {
        description: "Durably taken.",
        type: "object",
        properties: { id: { ...id, description: "The check-in's id, 32 hex digits." } },
        examples: [{ id: idExample }],
      },
    },
  },
  attachments: { takes: "a form with files that belong to an event", response: { 201: emptyObject } },
  nel: { takes: "a network error report, which is counted and not kept", response: { 200: empty } },
  unreal: { takes: "a crash of the Unreal engine, which is kept as an attachment", response: { 200: uuid } },
  otlp: { takes: "traces or logs of OpenTelemetry, which are counted and not kept", response: { 200: emptyObject } },
  user_feedback: { takes: "what a user said of an event", response: { 200: emptyObject } },
  error_page: { takes: "what a user said in the dialog of a crash", response: { 200: emptyObject } },
  airbrake: {
    takes: "a notice of an Airbrake notifier",
    response: {
      201: {
        description: "Durably taken.",
        type: "object",
        properties: { id, url: { type: "string", description: "Where the event can be read." } },
        examples: [{ id: idExample, url: `https://signalbox.example/api/v1/projects/1/errors/events/${idExample}` }],
      },
    },
  },
};

const inQueryAnswers: Partial<Record<IngestRoute, Readonly<Record<number, object>>>> = {
  store: { 200: { description: "Durably taken: a transparent pixel.", type: "string", format: "binary" } },
  error_page: { 200: { description: "The script of the dialog.", type: "string" } },
};

/** The description of an ingest route for the API's document. */
export function describeRoute(
  route: IngestRoute,
  method: string,
): FastifySchema & { readonly [field: string]: unknown } {
  const { takes, response } = routes[route];
  const inQuery = method === "GET";
  return {
    summary:
      inQuery && route === "error_page"
        ? "Show the dialog of a crash"
        : `Take ${takes}${inQuery ? ", told in the query" : ""}`,
    description: "For Sentry SDKs. The credential is the DSN's key, in X-Sentry-Auth or in the query as sentry_key.",
    tags: ["ingest"],
    response: (inQuery ? inQueryAnswers[route] : undefined) ?? response,
  };
}
