import { currentContext, withContext } from "@signalbox/kernel";
import type { Client } from "./client.js";
import { contextMember } from "./node-platform.js";

/**
 * Runs `publish` so that every domain event that is created in it takes the active journeys along, in its log metadata:
 *
 *     await publishWithJourneys(client, () => events.publish(PipelineCreated.create({ id: 7 })));
 */
export function publishWithJourneys<T>(client: Client, publish: () => T): T {
  const header = client.inject<{ "X-Covered-Experiences"?: string }>({})["X-Covered-Experiences"];
  return header === undefined ? publish() : withContext({ meta: { [contextMember]: header } }, publish);
}

/**
 * Wraps the handler of a subscriber: the journeys that the event brought along can be resumed in it, under the event's
 * correlation id.
 *
 *     defineSubscriber("ci.start_pipeline", { handle: handleWithJourneys(client, async (event) => { … }) });
 *
 * An event may have many subscribers, so none of them ends a journey by ending: the one that is last calls
 * `client.resume(id, undefined, {}, work)`, or `complete()`.
 */
export function handleWithJourneys<Rest extends readonly unknown[]>(
  client: Client,
  handle: (...args: Rest) => Promise<void>,
): (...args: Rest) => Promise<void> {
  return (...args) => {
    const { correlationId, meta } = currentContext();
    const header = meta?.[contextMember];
    return client.withContext(() => handle(...args), {
      ...(correlationId === undefined ? {} : { "x-correlation-id": correlationId }),
      ...(header === undefined ? {} : { "x-covered-experiences": header }),
    });
  };
}
