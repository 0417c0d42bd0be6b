import { setTimeout as sleep } from "node:timers/promises";
import type { Forge } from "../forge.js";

const queries = ["parsePipeline", "TODO(release)", "retry.*backoff", "(unfinished"] as const;

/** A person searches the code. Most answers are quick; a pattern that is none is refused. */
export async function searchCode({ journeys, captureError }: Forge, turn: number, user: string): Promise<void> {
  const query = turn % 11 === 5 ? "(unfinished" : (queries[turn % 3] ?? "parsePipeline");
  const work = (): Promise<void> =>
    journeys().start("search_code", {}, async (journey) => {
      await sleep(15 + Math.random() * 40);
      const pattern = new RegExp(query);
      journey.checkpoint("query_parsed");
      await sleep(turn % 6 === 3 ? 350 + Math.random() * 200 : 40 + Math.random() * 120);
      journey.checkpoint("matches_found", { matches: String(pattern.source.length) });
    });
  await journeys().withContext(() =>
    work().catch((error: unknown) =>
      captureError(error, {
        user: { id: user, email: `${user}@example.com` },
        tags: { shard: `search-${turn % 3}` },
        contexts: { search: { query, scope: "code", page: 1 } },
      }),
    ),
  );
}
