import type { CheckpointPayload } from "@signalbox/experience/payload";
import type { BatchAnswer, BatchRequest, CheckpointTransport } from "../transport.js";

/** How one request is answered; an error stands for no answer. */
export type Script = (
  checkpoints: readonly CheckpointPayload[],
  request: BatchRequest,
) => BatchAnswer | Error | Promise<BatchAnswer>;

export interface ScriptedTransport extends CheckpointTransport {
  /** Everything that was accepted, in order. */
  readonly accepted: CheckpointPayload[];
  /** All requests, also those that failed. */
  readonly requests: { readonly checkpoints: readonly CheckpointPayload[]; readonly request: BatchRequest }[];
  /** Answers from now on. */
  script: Script;
}

export const acceptAll: Script = () => ({ status: 200 });

/** Takes batches in this process and answers as it is told. */
export function createScriptedTransport(script: Script = acceptAll): ScriptedTransport {
  const transport: ScriptedTransport = {
    accepted: [],
    requests: [],
    script,
    async send(request) {
      const checkpoints: CheckpointPayload[] = request.checkpoints.map((text) => JSON.parse(text));
      transport.requests.push({ checkpoints, request });
      const answer = await transport.script(checkpoints, request);
      if (answer instanceof Error) throw answer;
      if (answer.status < 300) transport.accepted.push(...takenBy(answer, checkpoints));
      return answer;
    },
  };
  return transport;
}

function takenBy({ body }: BatchAnswer, checkpoints: readonly CheckpointPayload[]): readonly CheckpointPayload[] {
  if (typeof body !== "object" || body === null || !("results" in body) || !Array.isArray(body.results))
    return checkpoints;
  const refused = new Set(body.results.filter(({ status }) => status >= 300).map(({ index }) => index));
  return checkpoints.filter((_, index) => !refused.has(index));
}
