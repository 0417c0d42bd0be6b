/** Bytes that wait in a message, in whichever form is shortest. */
export const payloadSchema = {
  type: "object",
  required: ["encoding", "content", "bytes"],
  properties: {
    encoding: { enum: ["text", "base64", "gzip"] },
    content: { type: "string" },
    bytes: { type: "integer", minimum: 0 },
    offset: { type: "integer", minimum: 0 },
  },
} as const;

/** Attachments that came along; their bytes are in the blob store. */
export const attachmentsSchema = {
  type: "array",
  items: {
    type: "object",
    required: ["blob", "name", "bytes", "sha256"],
    properties: {
      blob: { type: "string", description: "Key in the blob store" },
      name: { type: "string" },
      content_type: { type: "string" },
      attachment_type: { type: "string" },
      bytes: { type: "integer", minimum: 0 },
      sha256: { type: "string" },
    },
  },
} as const;
