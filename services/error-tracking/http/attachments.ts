import { Readable } from "node:stream";
import { errorCode } from "@signalbox/kernel";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { ReadError } from "../issues/read-errors.js";
import { listAttachments, type StoredAttachment } from "../items/list-attachments.js";
import { type ApiDependencies, visibleProject } from "./api-dependencies.js";
import { jsonAnswer, projectParameter } from "./api-schemas.js";

const eventParameter = {
  type: "string",
  pattern: "^[0-9a-f]{32}$",
  description: "Id of the event.",
  examples: ["8f0b5b1c8f6b4e0f9d2f3d7a5b8c1e2f"],
} as const;

const attachmentSchema = {
  type: "object",
  required: ["n", "name", "content_type", "attachment_type", "bytes", "sha256", "received_at"],
  properties: {
    n: { type: "integer", description: "Its number among the attachments of the event." },
    name: { type: "string", description: "As the client calls it." },
    content_type: { type: ["string", "null"], description: "As the client says." },
    attachment_type: { type: ["string", "null"], description: "Such as `event.minidump`." },
    bytes: { type: "integer" },
    sha256: { type: "string" },
    received_at: { type: "string", format: "date-time" },
  },
} as const;

const attachmentExample = {
  n: 1,
  name: "crash.dmp",
  content_type: "application/octet-stream",
  attachment_type: "event.minidump",
  bytes: 81920,
  sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  received_at: "2026-03-01T09:30:00.125Z",
} as const;

/** Files that belong to events. */
export function registerAttachmentRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { projects, blobs } = dependencies;

  const attachmentsOf = async (request: FastifyRequest<{ Params: { id: number; event: string } }>) => {
    const project = await visibleProject(request, projects, request.params.id);
    return listAttachments(dependencies, project.id, request.params.event);
  };

  app.get<{ Params: { id: number; event: string } }>("/projects/:id/errors/events/:event/attachments", {
    config: { access: { scope: "errors:read" }, errors: ["ET_PROJECT_NOT_FOUND", "unavailable"] },
    schema: {
      summary: "List the attachments of an event",
      tags: ["errors"],
      params: { type: "object", properties: { id: projectParameter, event: eventParameter } },
      response: {
        200: jsonAnswer("The attachments.", { type: "array", items: attachmentSchema }, [attachmentExample]),
      },
    },
    handler: async (request) => (await attachmentsOf(request)).map(showAttachment),
  });

  app.get<{ Params: { id: number; event: string; n: number } }>("/projects/:id/errors/events/:event/attachments/:n", {
    config: {
      access: { scope: "errors:read" },
      errors: ["ET_PROJECT_NOT_FOUND", "ET_ATTACHMENT_NOT_FOUND", "unavailable"],
    },
    schema: {
      summary: "Download an attachment",
      tags: ["errors"],
      params: {
        type: "object",
        properties: {
          id: projectParameter,
          event: eventParameter,
          n: { type: "integer", minimum: 1, maximum: 1_000_000, description: "Its number.", examples: [1] },
        },
      },
      response: {
        200: {
          description: "Its bytes, to be saved and never to be shown.",
          content: {
            "application/octet-stream": {
              schema: { type: "string", format: "binary" },
              examples: { example: { value: "the basket is empty" } },
            },
          },
        },
      },
    },
    async handler(request, reply) {
      const attachment = (await attachmentsOf(request)).find(({ n }) => n === request.params.n);
      if (attachment === undefined || blobs === undefined) throw new ReadError("ET_ATTACHMENT_NOT_FOUND");
      return sendAttachment(reply, attachment, await open(attachment.blob));
    },
  });

  const open = async (blob: string): Promise<AsyncIterable<Uint8Array>> => {
    try {
      if (blobs !== undefined) return await blobs.open(blob);
    } catch (cause) {
      if (errorCode(cause) !== "BLOB_NOT_FOUND") throw cause;
    }
    throw new ReadError("ET_ATTACHMENT_NOT_FOUND");
  };
}

function showAttachment(attachment: StoredAttachment) {
  return {
    n: attachment.n,
    name: attachment.name,
    content_type: attachment.contentType ?? null,
    attachment_type: attachment.attachmentType ?? null,
    bytes: attachment.bytes,
    sha256: attachment.sha256,
    received_at: new Date(attachment.receivedAtMs).toISOString(),
  };
}

/** What browsers do nothing dangerous with; everything else comes as mere bytes. */
const harmlessTypes = /^(?:image\/(?:png|jpeg|gif|webp)|text\/plain|application\/json)$/;

/**
 * What strangers sent is on our own origin here: it is saved, not shown, not taken for another type, and if it is shown all
 * the same it may do nothing.
 */
function sendAttachment(
  reply: FastifyReply,
  attachment: StoredAttachment,
  bytes: AsyncIterable<Uint8Array>,
): FastifyReply {
  const [type = ""] = (attachment.contentType ?? "").toLowerCase().split(";");
  return reply
    .headers({
      "content-type": harmlessTypes.test(type.trim()) ? type.trim() : "application/octet-stream",
      "content-length": String(attachment.bytes),
      "content-disposition": `attachment; ${fileName(attachment.name)}`,
      "content-security-policy": "default-src 'none'; sandbox",
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": "same-origin",
      "cache-control": "private, no-store",
    })
    .send(Readable.from(bytes));
}

/** Both forms of the name: for old clients without anything but letters, and whole. */
function fileName(name: string): string {
  const [last = ""] = name.split(/[/\\]/).slice(-1);
  const shown = last.replaceAll(/\p{Cc}/gu, "").replace(/^\.+/, "") || "attachment";
  const plain = shown.replaceAll(/[^\w.() -]/g, "_");
  const encoded = encodeURIComponent(shown).replaceAll(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
  return `filename="${plain}"; filename*=UTF-8''${encoded}`;
}
