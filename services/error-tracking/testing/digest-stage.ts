import { createVirtualClock, type VirtualClock } from "@signalbox/kernel";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { createTestDigest, type TestDigest } from "./digest.js";
import {
  openTestAnalytics,
  openTestDatabase,
  type StartEngine,
  type TestAnalytics,
  type TestDatabase,
} from "./stores.js";

/** What a test of the digest and of what time does acts on: each has a database, a clock and a project of its own. */
export interface DigestStage {
  readonly stored: TestAnalytics;
  readonly stores: TestDatabase;
  readonly clock: VirtualClock;
  readonly kit: TestDigest;
  /** No other test of the file has this number, since all share one analytics store. */
  readonly projectId: number;
}

/** For all tests of the file that calls this; the stage is there from the first `beforeEach` of the file on. */
export function useDigestStage(startEngine: StartEngine): () => DigestStage {
  let engine: Awaited<ReturnType<StartEngine>> | undefined;
  let stored: TestAnalytics | undefined;
  let stage: DigestStage | undefined;
  let lastProjectId = 0;
  beforeAll(async () => {
    engine = await startEngine();
    stored = await openTestAnalytics(engine.url);
  });
  afterAll(async () => {
    await stored?.close();
    await engine?.stop();
  });
  beforeEach(async () => {
    if (!stored) throw new Error("the analytics store is opened before the first test");
    const stores = await openTestDatabase();
    const clock = createVirtualClock(Date.now());
    const before = lastProjectId;
    while (lastProjectId <= before) lastProjectId = (await stores.projects.create("Shop")).id;
    stage = { stored, stores, clock, kit: createTestDigest(stores, stored, { clock }), projectId: lastProjectId };
  });
  afterEach(() => stage?.stores.close());
  return () => {
    if (!stage) throw new Error("the stage is set before each test");
    return stage;
  };
}
