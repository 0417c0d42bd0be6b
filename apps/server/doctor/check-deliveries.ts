import { CommandFailed, type Terminal } from "../commands/command.js";
import { withEventsApi } from "../commands/events/api.js";
import { at, text } from "../commands/shapes.js";
import { type Check, ok, type Patient, warning } from "./finding.js";

const subject = "deliveries";
const mostSubscribers = 10_000;

/** Whether anything waits for subscribers that there are not any more. Only the running server knows which there are. */
export const checkDeliveries: Check = async (patient) => {
  if (patient.server?.url === undefined || patient.readiness?.kind !== "answered") return [];
  const queues = await queuesOf(patient);
  // One that runs other roles cannot tell.
  if (queues === undefined) return [];
  const orphaned = queues.filter((queue) => at(queue, "declared") === false);
  if (orphaned.length === 0) return [ok(subject, "nothing waits for subscribers that there are not any more")];
  const names = orphaned.map((queue) => text(queue, "subscriber"));
  const advice = [
    "They stay until the subscriber is back or a command removes them:",
    ...names.map((name) => `signalbox events purge ${name}`),
  ].join(" ");
  return [warning(subject, `orphaned: ${names.join(", ")}`, advice)];
};

async function queuesOf({ config }: Patient): Promise<readonly unknown[] | undefined> {
  try {
    return await withEventsApi({ config, terminal: nobody, needsServer: true }, (api) =>
      api.list("/subscriptions", mostSubscribers),
    );
  } catch (error) {
    if (error instanceof CommandFailed) return undefined;
    throw error;
  }
}

/** What would be said there becomes a finding here. */
const nobody: Terminal = {
  env: {},
  isTerminal: false,
  out: () => {},
  err: () => {},
  ready: () => {},
  exit: () => {},
  kill: () => {},
};
