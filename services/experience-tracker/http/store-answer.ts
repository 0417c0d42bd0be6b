import { ExperienceError } from "@signalbox/experience";
import { HttpProblem } from "@signalbox/http";
import { errorCode, isRetryable } from "@signalbox/kernel";
import { storeProblem } from "../errors.js";

/** Turns outages of what an answer is read from into 503. */
export async function answeringForStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ExperienceError) throw storeProblem(error.code, error);
    if (errorCode(error)?.startsWith("ANALYTICS_") && (isRetryable(error) || errorCode(error) === "ANALYTICS_CLOSED"))
      throw new HttpProblem("unavailable", { headers: { "retry-after": "5" }, cause: error });
    throw error;
  }
}
