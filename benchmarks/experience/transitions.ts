import type { ExperienceStore } from "@signalbox/experience";
import { scaled } from "../harness.js";
import { chunksOf, inFlight, journeys } from "./checkpoints.js";

// How fast a store alone takes checkpoints, once it is warm.

/** Steps in a second when each checkpoint is a call of its own, so many at a time. */
export async function applyOneByOne(store: ExperienceStore, count: number, concurrency: number): Promise<number> {
  await inFlight(journeys(scaled(4_000)), concurrency, (checkpoint) => store.apply([checkpoint]));
  return inFlight(journeys(count), concurrency, (checkpoint) => store.apply([checkpoint]));
}

const groupSize = 256;

/** The same in as large groups as share a transaction, with the next one waiting. */
export async function applyInGroups(store: ExperienceStore, count: number): Promise<number> {
  await inFlight(chunksOf(journeys(scaled(4_000)), groupSize), 2, (group) => store.apply(group));
  return (await inFlight(chunksOf(journeys(count), groupSize), 2, (group) => store.apply(group))) * groupSize;
}
