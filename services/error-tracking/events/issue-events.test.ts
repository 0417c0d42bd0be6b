import { createTestStore } from "@signalbox/event-store/testing";
import { createLogger } from "@signalbox/kernel";
import { expect, onTestFinished, test } from "vitest";
import { issueCreated, issueEvents, issueRegressed, issueUnmuted } from "./issue-events.js";

test("ET-410 no line about an issue quotes what a client wrote", async () => {
  const lines: string[] = [];
  const { store } = createTestStore({
    logger: createLogger({ level: "debug", destination: { write: (line: string) => void lines.push(line) } }),
    configure(registry) {
      for (const event of issueEvents) registry.register(event);
    },
  });
  onTestFinished(() => store.stop());
  const issue = { project_id: 1, issue_id: 2, short_number: 3, event_id: "a".repeat(32), level: "error" } as const;
  const sent = { title: "hunter2", environment: "hunter2", release: "hunter2" };
  await store.publish(issueCreated.create({ ...issue, ...sent, platform: "node", culprit: "hunter2" }));
  await store.publish(issueRegressed.create({ ...issue, ...sent, resolved_in: "hunter2" }));
  await store.publish(issueUnmuted.create({ ...issue, ...sent }));

  const published = lines.filter((line) => line.includes("event published"));
  expect(published).toHaveLength(3);
  for (const line of published) expect(line).toContain("issue_id");
  expect(lines.join("")).not.toContain("hunter2");
});
