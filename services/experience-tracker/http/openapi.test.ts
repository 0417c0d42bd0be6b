import { experienceErrors } from "@signalbox/experience";
import { createHttpServer, findUndocumented } from "@signalbox/http";
import { createTestTokens } from "@signalbox/http/testing";
import { expect, onTestFinished, test } from "vitest";
import { trackerErrors } from "../errors.js";
import { startTracker } from "../testing/start-tracker.js";

test("PF-045 every route of the experience API is documented", async () => {
  const tracker = await startTracker({ environment: { SIGNALBOX_EXPERIENCE_CORS_ORIGINS: "https://forge.example" } });
  onTestFinished(() => tracker.close());
  const { authenticator } = await createTestTokens();
  const app = await createHttpServer({
    authenticator,
    openApi: { title: "test", version: "1", catalogues: [experienceErrors, trackerErrors] },
  });
  onTestFinished(() => app.close());
  await app.register(tracker.tracker.routes);
  await app.ready();
  const document = (await app.inject("/openapi.json")).json();
  expect(findUndocumented(document)).toEqual([]);
  expect(Object.keys(document.paths).filter((path) => path.startsWith("/api/v1/experience"))).toHaveLength(23);
});
