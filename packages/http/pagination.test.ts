import { describe, expect, test } from "vitest";
import { decodeCursor, encodeCursor, linkHeader, pageOf, pageParameters } from "./pagination.js";
import { bodyOf, serve } from "./testing/serve.js";

interface Row {
  readonly at: number;
  readonly id: number;
}
type Position = readonly [at: number, id: number];

function isPosition(value: unknown): value is Position {
  return Array.isArray(value) && value.length === 2 && value.every(Number.isInteger);
}

/** A list of rows, newest first, as a service would read it from a table. */
function serveRows(rows: Row[]) {
  return serve({}, (app) => {
    app.get<{ Querystring: { limit: number; cursor?: string } }>(
      "/rows",
      { config: { access: "public" }, schema: { querystring: { type: "object", properties: { ...pageParameters } } } },
      async (request, reply) => {
        const { limit, cursor } = request.query;
        const after = cursor === undefined ? undefined : decodeCursor(cursor, isPosition);
        const read = rows
          .toSorted((one, other) => other.at - one.at || other.id - one.id)
          .filter(({ at, id }) => after === undefined || at < after[0] || (at === after[0] && id < after[1]))
          .slice(0, limit + 1);
        const page = pageOf(read, limit, ({ at, id }) => [at, id]);
        const link = linkHeader(request.url, limit, page);
        if (link !== undefined) reply.header("link", link);
        return page.items.map(({ id }) => id);
      },
    );
  });
}

function nextOf(response: Response): string | undefined {
  return /<([^>]*)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
}

describe("PF-044 lists", () => {
  test("PF-044 a walk yields every row once while others arrive, and the last page has no next", async () => {
    // Many rows share a time, so that a cursor of time alone would lose or repeat some.
    const rows = Array.from({ length: 53 }, (_, index): Row => ({ at: Math.floor(index / 7), id: index }));
    const first = rows.map((row) => row.id);
    const { url } = await serveRows(rows);
    const seen: number[] = [];
    let next: string | undefined = "/rows?limit=10";
    while (next !== undefined) {
      const response: Response = await fetch(url + next);
      const page: unknown = await response.json();
      if (Array.isArray(page)) seen.push(...page);
      next = nextOf(response);
      rows.push({ at: 100 + seen.length, id: 1000 + seen.length });
    }
    expect(seen.length).toBe(new Set(seen).size);
    expect(seen.filter((id) => id < 1000).sort((one, other) => one - other)).toEqual(first);
  });

  test("PF-044 a full last page has no next either", async () => {
    const { url } = await serveRows(Array.from({ length: 20 }, (_, id) => ({ at: id, id })));
    const response = await fetch(`${url}/rows?limit=20`);
    expect(response.headers.get("link")).toBeNull();
  });

  test("PF-044 limit is 1 to 100, 20 by default", async () => {
    const { url } = await serveRows(Array.from({ length: 150 }, (_, id) => ({ at: id, id })));
    const count = async (query: string) => {
      const page: unknown = await (await fetch(`${url}/rows${query}`)).json();
      return Array.isArray(page) ? page.length : page;
    };
    expect([await count(""), await count("?limit=1"), await count("?limit=100")]).toEqual([20, 1, 100]);
    for (const limit of ["0", "101", "-1", "1.5", "all", ""])
      expect(await bodyOf(await fetch(`${url}/rows?limit=${limit}`))).toMatchObject({
        code: "invalid_parameter",
        errors: [{ pointer: "/query/limit" }],
      });
  });

  test("PF-044 a cursor of no list, or of another one, is refused", async () => {
    const { url } = await serveRows([{ at: 1, id: 1 }]);
    for (const cursor of [
      "x",
      "%00",
      "W10",
      encodeCursor({ at: 1 }),
      encodeCursor([1, "1"]),
      `${encodeCursor([1, 1])}=`,
    ])
      expect(await bodyOf(await fetch(`${url}/rows?cursor=${cursor}`))).toMatchObject({
        status: 400,
        code: "invalid_cursor",
      });
    expect((await fetch(`${url}/rows?cursor=${encodeCursor([1, 1])}`)).status).toBe(200);
  });

  test("PF-044 links keep the other parameters, name both ways, and never end in the cursor", () => {
    const link = linkHeader("/rows?cursor=old&status=open&limit=5&q=a%26b", 5, {
      nextCursor: "bmV4dA",
      previousCursor: "cHJldg",
    });
    expect(link).toBe(
      '</rows?status=open&q=a%26b&cursor=bmV4dA&limit=5>; rel="next", </rows?status=open&q=a%26b&cursor=cHJldg&limit=5>; rel="prev"',
    );
    expect(linkHeader("/rows", 20, { nextCursor: "eA" })).toBe('</rows?cursor=eA&limit=20>; rel="next"');
    expect(linkHeader("/rows", 20, {})).toBeUndefined();
    // A client that cuts the header at ", " and reads the cursor up to the next "&" gets it whole.
    const cut = /cursor=([^&]+)/.exec((link ?? "").split(", ")[0] ?? "")?.[1];
    expect(cut).toBe("bmV4dA");
  });
});
