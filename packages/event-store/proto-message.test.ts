import { describe, expect, test } from "vitest";
import {
  createEventStore,
  createMemoryTransport,
  defineEvent,
  encodeEvent,
  fromProtoMessage,
  type ProtoMessage,
  toProtoMessage,
} from "./index.js";

const PipelineCreated = defineEvent("ci.pipeline_created", {
  version: 2,
  schema: { type: "object", properties: { pipeline_id: { type: "integer" } } },
  upcast: { 1: (data) => data },
});
createEventStore({
  transport: createMemoryTransport(),
  source: "urn:forge",
  configure: (registry) => void registry.register(PipelineCreated),
});
const registry = { lookup: (type: string) => (type === PipelineCreated.type ? PipelineCreated : null) };

const event = PipelineCreated.create(
  { pipeline_id: 7 },
  {
    id: "event-1",
    time: "2026-01-02T03:04:05.678Z",
    correlationId: "request-1",
    key: "main",
    extensions: { fast: true, weight: -3, note: "for tests" },
  },
);
const message = toProtoMessage(event);

describe("protobuf messages", () => {
  test("ES-057 four fields are explicit, everything else is a typed attribute, the payload is text", () => {
    expect(message).toEqual({
      id: "event-1",
      source: "urn:forge",
      specVersion: "1.0",
      type: "dev.signalbox.ci.pipeline_created",
      attributes: {
        subject: { ceString: "event-1" },
        time: { ceTimestamp: { seconds: Date.UTC(2026, 0, 2, 3, 4, 5) / 1_000, nanos: 678_000_000 } },
        datacontenttype: { ceString: "application/json" },
        dataschema: { ceUri: "urn:signalbox:schema:ci.pipeline_created:v2" },
        correlationid: { ceString: "request-1" },
        partitionkey: { ceString: "main" },
        fast: { ceBoolean: true },
        weight: { ceInteger: -3 },
        note: { ceString: "for tests" },
      },
      textData: '{"pipeline_id":7}',
    });
  });

  test("ES-057 the way back gives the same event, whatever a library makes of a time", () => {
    const back = fromProtoMessage(message, registry);
    expect(encodeEvent(back)).toBe(encodeEvent(event));
    expect(PipelineCreated.is(back)).toBe(true);
    const { seconds, nanos } = message.attributes["time"]?.ceTimestamp ?? { seconds: 0, nanos: 0 };
    for (const other of [String(seconds), BigInt(seconds)]) {
      const time = { ceTimestamp: { seconds: other, nanos } };
      expect(fromProtoMessage({ ...message, attributes: { ...message.attributes, time } }, registry).time).toBe(
        event.time,
      );
    }
    const before1970 = PipelineCreated.create({}, { time: "1969-12-31T23:59:59.500Z" });
    expect(fromProtoMessage(toProtoMessage(before1970), registry).time).toBe("1969-12-31T23:59:59.500Z");
  });

  test("ES-057 an empty text is an empty object", () => {
    expect(fromProtoMessage({ ...message, textData: "" }, registry).data).toEqual({});
  });

  test("ES-057 a binary payload and any other variant is refused", () => {
    const { textData: _, ...rest } = message;
    const others = [
      { ...rest, binaryData: new Uint8Array([123, 125]) },
      { ...rest, protoData: { typeUrl: "x", value: new Uint8Array() } },
      { ...message, binaryData: new Uint8Array() },
    ];
    for (const other of others)
      expect(() => fromProtoMessage(other, registry)).toThrow(
        expect.objectContaining({ code: "EVT_UNSUPPORTED_PAYLOAD" }),
      );
    // As libraries write the variants that are not chosen.
    fromProtoMessage({ ...message, binaryData: null, protoData: null } as never, registry);
  });

  test("ES-057 the map never overrides what is explicit", () => {
    const attributes = {
      ...message.attributes,
      id: { ceString: "forged" },
      source: { ceString: "urn:forged" },
      specversion: { ceString: "0.3" },
      type: { ceString: "dev.signalbox.ci.other" },
      data: { ceString: "forged" },
    };
    expect(encodeEvent(fromProtoMessage({ ...message, attributes }, registry))).toBe(encodeEvent(event));
  });

  test("ES-057 what is wrong with a message is told by name", () => {
    const change = (changes: object): ProtoMessage => ({ ...message, ...changes });
    const attribute = (name: string, value: unknown): ProtoMessage =>
      change({ attributes: { ...message.attributes, [name]: value } });
    const wrong: [ProtoMessage, string][] = [
      [change({ id: undefined }), "id"],
      [change({ specVersion: "0.3" }), "specversion"],
      [change({ textData: undefined }), "data"],
      [change({ textData: "{" }), "data"],
      [change({ textData: "[]" }), "data"],
      [attribute("time", { ceTimestamp: { seconds: "soon" } }), "time"],
      [attribute("time", { ceTimestamp: {} }), "time"],
      [attribute("note", { ceBytes: new Uint8Array() }), "note"],
      [attribute("note", { ceInteger: 2 ** 40 }), "note"],
      [attribute("note", { ceString: 1 }), "note"],
      [attribute("note", {}), "note"],
      [attribute("note", { ceString: "x", ceBoolean: true }), "note"],
      [attribute("__proto__x", { ceString: "x" }), "__proto__x"],
    ];
    for (const [broken, name] of wrong)
      expect(() => fromProtoMessage(broken, registry), name).toThrow(
        expect.objectContaining({ code: "EVT_ENVELOPE_INVALID", details: { attribute: name } }),
      );
    expect(() => fromProtoMessage(change({ type: "dev.signalbox.ci.other" }), registry)).toThrow(
      expect.objectContaining({ code: "EVT_UNKNOWN_TYPE" }),
    );
    expect(() => fromProtoMessage(change({ textData: '{"pipeline_id":"x"}' }), registry)).toThrow(
      expect.objectContaining({ code: "EVT_DATA_INVALID" }),
    );
  });
});
