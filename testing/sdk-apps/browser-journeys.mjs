import { addEventProcessor, captureException, init } from "@sentry/browser";
import * as sdk from "@signalbox/experience-sdk";

// A page that records journeys. What it does is said from outside, by what it leaves on the window.
const { refreshed, ...options } = JSON.parse(document.getElementById("options").textContent);
window.warnings = [];
window.refreshes = [];
const logger = { warn: (message) => window.warnings.push(message), child: () => logger };
window.sdk = sdk;
window.client = sdk.createClient({
  ...options,
  ...(refreshed
    ? {
        tokenProvider({ refresh }) {
          window.refreshes.push(refresh);
          return refresh || window.refreshes.includes(true) ? refreshed : "a-token-that-ran-out";
        },
      }
    : {}),
  logger,
});

window.reported = [];
init({
  dsn: "https://key@errors.invalid/1",
  beforeSend(event) {
    window.reported.push(event.tags);
    return null;
  },
});
addEventProcessor(sdk.correlationTagger());
window.report = captureException;
