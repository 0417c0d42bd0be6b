import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseQuery, type Term } from "./parse-query.js";
import { QueryError } from "./query-error.js";

const shown = (term: Term) => {
  if (term.kind === "word") return term.text;
  if (term.kind === "has") return `${term.negated ? "!" : ""}has ${term.key}`;
  return `${term.negated ? "!" : ""}${term.key} ${term.comparison ?? "="} ${term.values.join("|")}`;
};

test.each([
  ["", []],
  ["  division   by ", ["division", "by"]],
  ['"division by zero" x', ["division by zero", "x"]],
  ["level:error", ["level = error"]],
  ['release:"shop 1.2"', ["release = shop 1.2"]],
  ["!level:error", ["!level = error"]],
  ["level:[error, fatal,warning]", ["level = error|fatal|warning"]],
  ['tags:["a b", c]', ["tags = a b|c"]],
  ["title:Zero*", ["title = Zero*"]],
  ["has:user.id !has:release", ["has user.id", "!has release"]],
  ["timesSeen:>10 users:<=5", ["timesSeen > 10", "users <= 5"]],
  ["age:-24h lastSeen:+2d", ["age = -24h", "lastSeen = +2d"]],
  ["url:https://a/b?c=d", ["url = https://a/b?c=d"]],
  ["TypeError: undefined", ["TypeError:", "undefined"]],
  ["Error: std::bad_alloc ActiveRecord::RecordNotFound", ["Error:", "std::bad_alloc", "ActiveRecord::RecordNotFound"]],
  ["GET https://api.example/v1 failed", ["GET", "https://api.example/v1", "failed"]],
  ['tag:""', ["tag = "]],
  ['"a \\" b"', ['a " b']],
])("ET-350 %j is read", (query, terms) => {
  expect(parseQuery(query).map(shown)).toEqual(terms);
});

test.each([
  ['"open', 0],
  ['level:"open', 6],
  ["level:", 6],
  ["!level: x", 7],
  ["level:[a, b", 6],
  ["level:[a b]", 9],
  ["level:[]", 7],
  ["timesSeen:>", 11],
  ["release:>[1.0, 2.0]", 9],
  ["has:[a, b]", 4],
  ["has:>a", 5],
  ["!", 0],
  ["a".repeat(1025), 1024],
  ["a ".repeat(31), 60],
])("ET-350 %j is refused at offset %i", (query, offset) => {
  const refused = (): unknown => {
    try {
      return parseQuery(query);
    } catch (error) {
      return error;
    }
  };
  expect(refused()).toBeInstanceOf(QueryError);
  expect(refused()).toMatchObject({ code: "ET_QUERY_INVALID", status: 400, details: { offset } });
});

test("ET-350 any text is read or refused", () => {
  const part = fc.oneof(fc.string(), fc.constantFrom("a:", "!", "[", "]", '"', ",", ">", " ", "has:", "\\"));
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      try {
        for (const term of parseQuery(parts.join(""))) expect(term.offset).toBeLessThan(1024);
      } catch (error) {
        expect(error).toBeInstanceOf(QueryError);
      }
    }),
    { numRuns: 1000 },
  );
});
