import { setTimeout as sleep } from "node:timers/promises";
import { publishWithJourneys } from "@signalbox/experience-sdk/event-store";
import { pipelineCreated } from "./ci/pipeline-created.js";
import type { Forge } from "./forge.js";

const branches = ["refs/heads/main", "refs/heads/main", "refs/heads/release", "refs/heads/main"] as const;
/** Every so many pushes somebody tries the branch whose pipeline cannot be shown. */
const pushesBetweenFaults = 5;

/** People at work: they open merge requests and push, until the signal says that the day is over. */
export async function makeTraffic(forge: Forge, signal: AbortSignal): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    await openMergeRequest(forge, turn);
    await push(forge, turn);
    await sleep(1_200, undefined, { signal }).catch(() => {});
  }
}

async function openMergeRequest({ journeys, captureError }: Forge, turn: number): Promise<void> {
  const work = (): Promise<void> =>
    journeys().start("create_merge_request", {}, async (journey) => {
      await sleep(20 + Math.random() * 80);
      journey.checkpoint("saved");
      if (turn % 9 === 8) throw new Error("The diff service did not answer in time");
      await sleep(30 + Math.random() * 150);
    });
  await journeys().withContext(() => work().catch((error: unknown) => captureError(error)));
}

async function push({ journeys, events }: Forge, turn: number): Promise<void> {
  const isFaulty = turn % pushesBetweenFaults === 1;
  const ref = isFaulty ? "refs/heads/new-runner" : (branches[turn % branches.length] ?? "refs/heads/main");
  await journeys().withContext(async () => {
    journeys().start("run_pipeline", { ref });
    await publishWithJourneys(journeys(), () =>
      events().publish(pipelineCreated.create({ pipeline_id: 1_000 + turn, ref })),
    );
  });
}
