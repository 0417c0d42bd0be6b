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

test("XP-115 PF-071 an event captured while a domain event is handled names it as its cause", () => {
  const event = withContext({ correlationId: "JOURNEY-1", causationId: "EVENT-1" }, () => tag({ message: "m" }));
  expect(event).toEqual({ message: "m", tags: { correlation_id: "JOURNEY-1", causation_id: "EVENT-1" } });
});
