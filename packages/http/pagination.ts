import { HttpProblem } from "./problems.js";

/** Schema of the two parameters that every list takes; spread it into a route's `querystring.properties`. */
export const pageParameters = {
  limit: {
    type: "integer",
    minimum: 1,
    maximum: 100,
    default: 20,
    description: "How many items a page holds at most.",
    examples: [20],
  },
  cursor: {
    type: "string",
    minLength: 1,
    maxLength: 1024,
    description: "Where the page starts; taken from the `Link` header of another page.",
    examples: ["WyIyMDI2LTAxLTAxIiw0Ml0"],
  },
} as const;

export interface PageQuery {
  readonly limit: number;
  readonly cursor?: string;
}

/** One page of a list. Cursors are opaque to clients and come from `encodeCursor`. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Absent on the last page. */
  readonly nextCursor?: string;
  /** Absent on the first page. */
  readonly previousCursor?: string;
}

/** A JSON value as an opaque cursor. */
export function encodeCursor(position: unknown): string {
  return Buffer.from(JSON.stringify(position), "utf8").toString("base64url");
}

/**
 * The position that `encodeCursor` was given, when `isPosition` accepts it.
 * @throws {HttpProblem} 400 `invalid_cursor` for everything else.
 */
export function decodeCursor<Position>(cursor: string, isPosition: (value: unknown) => value is Position): Position {
  const position = parseCursor(cursor);
  if (!isPosition(position)) throw invalidCursor();
  return position;
}

function parseCursor(cursor: string): unknown {
  const bytes = Buffer.from(cursor, "base64url");
  if (bytes.toString("base64url") !== cursor) throw invalidCursor();
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw invalidCursor(cause);
  }
}

function invalidCursor(cause?: unknown): HttpProblem {
  return new HttpProblem("invalid_cursor", {
    errors: [{ pointer: "/query/cursor", code: "invalid_cursor", message: "is not a cursor of this list" }],
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * The page of `rows` that were read with one row more than `limit`: that row only tells whether there is a next page.
 * `positionOf` gives what the next page starts after, so that rows that arrive meanwhile shift nothing.
 */
export function pageOf<Row>(
  rows: readonly Row[],
  limit: number,
  positionOf: (row: Row) => unknown,
): { items: readonly Row[]; nextCursor?: string } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  if (rows.length <= limit || last === undefined) return { items };
  return { items, nextCursor: encodeCursor(positionOf(last)) };
}

/**
 * Value of the `Link` header for a page reached by `url` (path and query), or `undefined` when there is neither a next
 * nor a previous page. All other parameters are kept. The cursor is never the last parameter: clients exist that
 * read it up to the next `&`.
 */
export function linkHeader(
  url: string,
  limit: number,
  page: Pick<Page<unknown>, "nextCursor" | "previousCursor">,
): string | undefined {
  const links: string[] = [];
  if (page.nextCursor !== undefined) links.push(`<${pageUrl(url, limit, page.nextCursor)}>; rel="next"`);
  if (page.previousCursor !== undefined) links.push(`<${pageUrl(url, limit, page.previousCursor)}>; rel="prev"`);
  return links.length > 0 ? links.join(", ") : undefined;
}

function pageUrl(url: string, limit: number, cursor: string): string {
  const queryStart = url.indexOf("?");
  const path = queryStart === -1 ? url : url.slice(0, queryStart);
  const parameters = new URLSearchParams(queryStart === -1 ? "" : url.slice(queryStart + 1));
  parameters.delete("cursor");
  parameters.delete("limit");
  parameters.append("cursor", cursor);
  parameters.append("limit", String(limit));
  return `${path}?${parameters}`;
}
