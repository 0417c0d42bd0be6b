import { systemClock } from "@signalbox/kernel";
import { afterAll, beforeAll, expect } from "vitest";
import { runDeletions } from "../upkeep/delete-data.js";
import { type ApiKit, openApiKit } from "./api-kit.js";
import type { StartEngine } from "./stores.js";

/** One time for all tests of a file, so that what they send has an order. */
export const nowMs = Date.now();

/** The time of an event. */
export const at = (secondsAgo: number) => ({ timestamp: (nowMs - secondsAgo * 1000) / 1000 });

export interface ErrorBody {
  readonly fingerprint: number;
  readonly title: string;
  readonly description: string;
  readonly event_count: number;
  readonly status: string;
}

/** The API with its stores, for all tests of the file that calls this; what every such file asks of it. */
export interface ErrorsApi {
  /** From the first test on. */
  readonly kit: ApiKit;
  /** The errors of a project. */
  errors(project: number, query?: string): Promise<ErrorBody[]>;
  /** The first of them. */
  only(project: number): Promise<{ id: number; url: string }>;
  /** Runs the deletions that are due and resolves with how many there were. */
  deletions(): Promise<number>;
  /** How many events and payloads of a project there are. */
  rowsOf(project: number): Promise<number[]>;
}

export function useErrorsApi(startEngine: StartEngine): ErrorsApi {
  let engine: Awaited<ReturnType<StartEngine>> | undefined;
  let opened: ApiKit | undefined;
  beforeAll(async () => {
    engine = await startEngine();
    opened = await openApiKit(engine.url);
  });
  afterAll(async () => {
    await opened?.close();
    await engine?.stop();
  });
  const kit = (): ApiKit => {
    if (!opened) throw new Error("the API is opened before the first test");
    return opened;
  };
  const errors = async (project: number, query = ""): Promise<ErrorBody[]> => {
    const answer = await kit().call("GET", `/api/v1/projects/${project}/errors${query}`);
    expect(answer.statusCode, answer.body).toBe(200);
    return answer.json();
  };
  return {
    get kit() {
      return kit();
    },
    errors,
    async only(project) {
      const [error] = await errors(project);
      const id = error?.fingerprint ?? 0;
      return { id, url: `/api/v1/projects/${project}/errors/${id}` };
    },
    deletions() {
      const { stores, analytics } = kit();
      return runDeletions({ database: stores.database, analytics, clock: systemClock });
    },
    async rowsOf(project) {
      const counts: number[] = [];
      for (const table of ["error_events", "error_payloads"]) {
        const sql = `SELECT count() AS n FROM ${table} FINAL WHERE project_id = {project:UInt64}`;
        const [row] = await kit().analytics.query<{ n: string }>(sql, { project });
        counts.push(Number(row?.n));
      }
      return counts;
    },
  };
}
