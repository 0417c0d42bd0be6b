import { expect, test } from "vitest";
import { withContext } from "./context.js";
import { correlationTagger } from "./correlation-tag.js";

const tag = correlationTagger();

test("XP-115 an event captured in a context carries its correlation id beside its own tags", () => {
  const event = withContext({ correlationId: "JOURNEY-1" }, () => tag({ message: "m", tags: { page: "cart" } }));
  expect(event).toEqual({ message: "m", tags: { page: "cart", correlation_id: "JOURNEY-1" } });
});

test("XP-115 a correlation id that the event has already stays", () => {
  const event = withContext({ correlationId: "JOURNEY-1" }, () => tag({ tags: { correlation_id: "OTHER" } }));
  expect(event.tags).toEqual({ correlation_id: "OTHER" });
});

test("XP-115 an event outside of any context is left alone", () => {
  expect(tag({ message: "m" })).toEqual({ message: "m" });
});
