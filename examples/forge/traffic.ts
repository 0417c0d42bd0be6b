import { setTimeout as sleep } from "node:timers/promises";
import { publishWithJourneys } from "@signalbox/experience-sdk/event-store";
import { pipelineCreated } from "./ci/pipeline-created.js";
import type { Forge } from "./forge.js";
import { mergeRequestOpened } from "./merge_requests/merge-request-opened.js";
import { searchCode } from "./search/search-code.js";

const people = ["ada", "grace", "linus", "margaret", "dennis"] as const;
const branches = ["refs/heads/main", "refs/heads/main", "refs/heads/release", "refs/heads/main"] as const;
/** Every so many pushes somebody tries the branch whose pipeline cannot be shown. */
const pushesBetweenFaults = 5;

/** People at work: they search, open merge requests and push, until the signal says that the day is over. */
export async function makeTraffic(forge: Forge, signal: AbortSignal): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    const user = people[(turn * 3 + Math.floor(turn / people.length)) % people.length] ?? "ada";
    await forge.inRequest("POST /merge_requests", () => openMergeRequest(forge, turn, user));
    await forge.inRequest("git push", () => push(forge, turn, user));
    await forge.inRequest("GET /search", () => searchCode(forge, turn, user));
    await sleep(1_200, undefined, { signal }).catch(() => {});
  }
}

async function openMergeRequest(forge: Forge, turn: number, user: string): Promise<void> {
  const { journeys, events, captureError, leaveBreadcrumb } = forge;
  const work = (): Promise<void> =>
    journeys().start("create_merge_request", {}, async (journey) => {
      leaveBreadcrumb("http", "POST /merge_requests", { status_code: 201 });
      await sleep(20 + Math.random() * 80);
      journey.checkpoint("saved");
      leaveBreadcrumb("query", "INSERT INTO merge_requests", { rows: 1 });
      await publishWithJourneys(journeys(), () =>
        events().publish(
          mergeRequestOpened.create({
            merge_request_id: 100 + turn,
            draft: turn % 4 === 0,
            reviewers: turn % 3 === 0 ? [] : [people[(turn + 1) % people.length] ?? "ada"],
          }),
        ),
      );
      if (turn % 9 === 8) throw diffFailed();
      await sleep(30 + Math.random() * 150);
      journey.checkpoint("diff_shown");
    });
  await journeys().withContext(() =>
    work().catch((error: unknown) =>
      captureError(error, {
        user: { id: user, email: `${user}@example.com` },
        tags: { feature: "merge_requests", shard: `diff-${turn % 2}` },
      }),
    ),
  );
}

function diffFailed(): Error {
  return new Error("The diff service did not answer in time", {
    cause: new Error("connect ECONNREFUSED 10.0.4.12:8075"),
  });
}

async function push(
  { journeys, events, captureError, leaveBreadcrumb }: Forge,
  turn: number,
  user: string,
): Promise<void> {
  const isFaulty = turn % pushesBetweenFaults === 1;
  const ref = isFaulty ? "refs/heads/new-runner" : (branches[turn % branches.length] ?? "refs/heads/main");
  leaveBreadcrumb("git", `${user} pushes to ${ref}`, { pipeline_id: 1_000 + turn });
  await journeys().withContext(async () => {
    journeys().start("run_pipeline", { ref });
    await publishWithJourneys(
      journeys(),
      () => events().publish(pipelineCreated.create({ pipeline_id: 1_000 + turn, ref, author: user })),
      // A queue that takes nothing just now costs this push, not the forge.
    ).catch((error: unknown) => captureError(error, { user: { id: user, email: `${user}@example.com` } }));
  });
}
