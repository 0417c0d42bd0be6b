import { createHash } from "node:crypto";
import fc from "fast-check";
import { getEventHash } from "nostr-tools";
import { describe, expect, test } from "vitest";
import type { UnsignedEvent } from "./event.js";
import { eventId, hasRightId, serialiseEvent } from "./event-id.js";
import { testSigner } from "./testing.js";

const pubkey = testSigner("alice").publicKey;
const unsigned = (content: string, tags: string[][] = []): UnsignedEvent => ({
  pubkey,
  created_at: 1_700_000_000,
  kind: 1,
  tags,
  content,
});

/** The rules of the protocol, character by character. */
function slowly(event: UnsignedEvent, form: "verbatim" | "escaped"): string {
  const short: Record<string, string> = {
    "\n": "\\n",
    '"': '\\"',
    "\\": "\\\\",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
  };
  const text = (value: string): string => {
    let out = "";
    for (const character of value) {
      const code = character.codePointAt(0) ?? 0;
      if (short[character] !== undefined) out += short[character];
      else if (code < 32 && form === "escaped") out += `\\u${code.toString(16).padStart(4, "0")}`;
      else out += character;
    }
    return `"${out}"`;
  };
  const tags = event.tags.map((tag) => `[${tag.map(text).join(",")}]`).join(",");
  return `[0,${text(event.pubkey)},${event.created_at},${event.kind},[${tags}],${text(event.content)}]`;
}

const sha256 = (text: string): string => createHash("sha256").update(text, "utf8").digest("hex");

/** Whole code points, control characters often among them. */
const anyText = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0, max: 0x7f }).map((code) => String.fromCharCode(code)),
    fc.constantFrom("\\", "u0001", "\\u0001", "\ufdd1", "\u{10ffff}", "\u007f", "/", "\u2028", "\u{1F600}"),
    fc.string({ unit: "grapheme", maxLength: 1 }),
  ),
});

describe("GR-023 the id of an event", () => {
  test("GR-023 is the hash of the protocol's text, for any characters", () => {
    fc.assert(
      fc.property(anyText, fc.array(fc.array(anyText, { minLength: 1 })), (content, tags) => {
        const event = unsigned(content, tags);
        expect(serialiseEvent(event)).toBe(slowly(event, "verbatim"));
        expect(eventId(event)).toBe(sha256(slowly(event, "verbatim")));
      }),
    );
  });

  test("GR-023 control characters are accepted as they are and as \\u00xx", () => {
    fc.assert(
      fc.property(anyText, fc.array(fc.array(anyText, { minLength: 1 })), (content, tags) => {
        const event = unsigned(content, tags);
        for (const form of ["verbatim", "escaped"] as const)
          expect(hasRightId({ ...event, id: sha256(slowly(event, form)), sig: "" })).toBe(true);
        expect(hasRightId({ ...event, id: sha256(`${slowly(event, "verbatim")} `), sig: "" })).toBe(false);
      }),
    );
  });

  test("GR-023 noncharacters, DEL and the slash stand as they are", () => {
    expect(serialiseEvent(unsigned("\ufdd1\u{10ffff}\u007f/"))).toContain('"\ufdd1\u{10ffff}\u007f/"');
    expect(serialiseEvent(unsigned("\u0001\u001f"))).toContain('"\u0001\u001f"');
  });

  test("GR-023 an escape for another character is another text", () => {
    const event = unsigned("é");
    expect(hasRightId({ ...event, id: sha256(serialiseEvent(event).replace("é", "\\u00e9")), sig: "" })).toBe(false);
  });

  test("GR-023 agrees with another implementation", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (content) => {
        const event = unsigned(content, [["t", content]]);
        const id = getEventHash({ ...event, tags: [["t", content]] });
        expect(hasRightId({ ...event, id, sig: "" })).toBe(true);
      }),
    );
  });
});
