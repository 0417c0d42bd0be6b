import * as Sentry from "@sentry/node";

interface PastError {
  readonly type: string;
  readonly value: string;
  readonly level: Sentry.SeverityLevel;
  readonly release: string;
  readonly function: string;
  readonly filename: string;
  readonly line: string;
  /** How many events there were so many days ago. */
  readonly eventsByDay: Readonly<Record<number, number>>;
  readonly users: number;
}

/** What the forge has behind it. Without a past every chart would begin with the demo. */
const past: readonly PastError[] = [
  {
    type: "WebhookTimeout",
    value: "No answer from https://chat.example.com/hooks within 10 s",
    level: "error",
    release: "forge@1.4.1",
    function: "deliverWebhook",
    filename: "integrations/deliver-webhook.js",
    line: "  if (!answer) throw new WebhookTimeout(url, timeoutMs);",
    eventsByDay: { 13: 3, 11: 5, 9: 4, 8: 7, 6: 9, 5: 6, 4: 11, 2: 14, 1: 17, 0: 9 },
    users: 11,
  },
  {
    type: "DiskQuotaExceeded",
    value: "The cache of runner 3 is full",
    level: "fatal",
    release: "forge@1.4.2",
    function: "writeArtifact",
    filename: "ci/write-artifact.js",
    line: "  await reserve(runner, bytes);",
    eventsByDay: { 3: 2, 2: 6, 1: 13, 0: 8 },
    users: 4,
  },
  {
    type: "StaleReference",
    value: "refs/heads/main moved while the merge was prepared",
    level: "warning",
    release: "forge@1.4.0",
    function: "mergeBranches",
    filename: "repositories/merge-branches.js",
    line: '  if (head !== expected) throw new StaleReference(ref, "moved");',
    eventsByDay: { 13: 6, 12: 4, 10: 8, 8: 3, 7: 5, 5: 4, 3: 6, 1: 2 },
    users: 9,
  },
  {
    type: "InvalidMarkdown",
    value: "A table has rows of different lengths",
    level: "info",
    release: "forge@1.4.0",
    function: "renderTable",
    filename: "markdown/render-table.js",
    line: "  assertSameLength(rows);",
    eventsByDay: { 12: 1, 7: 2, 6: 1, 2: 1 },
    users: 3,
  },
];

const dayS = 86_400;

/** Reports errors of the two weeks before. A second start of the demo finds the same ids there and adds nothing. */
export async function reportHistory(): Promise<void> {
  const nowS = Date.now() / 1_000;
  const today = Math.floor(nowS / dayS);
  for (const [number, error] of past.entries())
    for (const [day, count] of Object.entries(error.eventsByDay)) {
      for (let index = 0; index < count; index++) {
        const daysAgo = Number(day);
        // Spread over the day as people work; today's are behind us already.
        const share = (index + 0.5) / count;
        const timestamp =
          daysAgo === 0 ? nowS - share * 10 * 3_600 : (today - daysAgo) * dayS + (8 + share * 11) * 3_600;
        Sentry.captureEvent(pastEvent(error, timestamp, `${number}-${today - daysAgo}-${index}`, index));
      }
      // The SDK drops what waits behind more than 64 others.
      await Sentry.flush(2_000);
    }
}

function pastEvent(error: PastError, timestamp: number, name: string, index: number): Sentry.Event {
  const user = `user-${(index % error.users) + 1}`;
  return {
    event_id: idOf(name),
    timestamp,
    level: error.level,
    release: error.release,
    platform: "node",
    server_name: `web-${(index % 2) + 1}`,
    user: { id: user, email: `${user}@example.com` },
    exception: {
      values: [
        {
          type: error.type,
          value: error.value,
          mechanism: { type: "generic", handled: error.level !== "fatal" },
          stacktrace: {
            frames: [
              { function: "handleRequest", filename: "server/handle-request.js", lineno: 61, in_app: true },
              {
                function: error.function,
                filename: error.filename,
                lineno: 24,
                colno: 9,
                in_app: true,
                context_line: error.line,
              },
            ],
          },
        },
      ],
    },
  };
}

/** The same 32 hexadecimal digits for the same name. */
function idOf(name: string): string {
  return Buffer.from(name.padEnd(16, "~").slice(0, 16)).toString("hex");
}
