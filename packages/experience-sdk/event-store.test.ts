import { defineEvent, defineSubscriber, type PayloadOf, type Subscriber } from "@signalbox/event-store";
import { createTestStore } from "@signalbox/event-store/testing";
import { currentContext } from "@signalbox/kernel";
import { expect, onTestFinished, test } from "vitest";
import { handleWithJourneys, publishWithJourneys } from "./event-store.js";
import { definitions } from "./testing/open-client.js";
import { createTestTracker } from "./testing.js";

const ProjectUploaded = defineEvent("projects.uploaded", {
  schema: { type: "object", required: ["id"], properties: { id: { type: "integer" } } },
});
type Uploaded = PayloadOf<typeof ProjectUploaded>;

async function open(subscriber: Subscriber<Uploaded>) {
  const events = createTestStore({ configure: (registry) => registry.subscribe(subscriber, { to: ProjectUploaded }) });
  await events.store.start();
  onTestFinished(() => events.store.stop());
  return events;
}

test("XP-113 XP-115 a journey goes on in the handler of a domain event, under its correlation id", async () => {
  const tracker = createTestTracker({ definitions });
  const [web, worker] = [tracker.createClient(), tracker.createClient({ type: "worker" })];
  const seen: (string | undefined)[] = [];
  const events = await open(
    defineSubscriber<Uploaded>("importers.unpack", {
      handle: handleWithJourneys(worker, async (event) => {
        await worker.resume("import_project", undefined, { project: event.data.id }, async (experience) => {
          seen.push(experience.correlationId, currentContext().correlationId);
        });
      }),
    }),
  );

  const journey = await web.withContext(async () => {
    const started = web.start("import_project");
    await publishWithJourneys(web, () => events.store.publish(ProjectUploaded.create({ id: 7 })));
    return started;
  });
  await events.runUntilIdle();

  expect(await tracker.stateOf(journey)).toBe("succeeded");
  expect(seen).toEqual([journey.correlationId, journey.correlationId]);
  expect(
    tracker.checkpoints.map(({ type, checkpoint, checkpoint_category: category }) => [type, category ?? checkpoint]),
  ).toEqual([
    ["web", "start"],
    ["worker", "resume"],
    ["worker", "end"],
  ]);
  expect(JSON.stringify(tracker.checkpoints)).not.toContain("covered_experiences");
  await tracker.close();
});

test("XP-113 an event without journeys is handled as ever", async () => {
  const tracker = createTestTracker({ definitions });
  const client = tracker.createClient();
  const seen: string[] = [];
  const events = await open(
    defineSubscriber<Uploaded>("importers.unpack", {
      handle: handleWithJourneys(client, async () => {
        seen.push(client.resume("import_project").state);
      }),
    }),
  );
  await publishWithJourneys(client, () => events.store.publish(ProjectUploaded.create({ id: 7 })));
  await events.runUntilIdle();
  expect(seen).toEqual(["unstarted"]);
  expect(tracker.checkpoints).toEqual([]);
  await tracker.close();
});
