import { ciService, type RuleCases } from "./case.js";

/** What only TypeScript can say; for linters that read it by themselves. */
export const typescriptCases: Readonly<Record<string, RuleCases>> = {
  "subscriber-has-handler": {
    valid: [{ code: `defineSubscriber<Payload>("ci.x", { handle: async () => {} } satisfies Options)` }],
    invalid: [
      {
        code: `defineSubscriber<Payload>("ci.x", { urgency: "high" } as const);`,
        errors: ["This subscriber handles nothing: give it `handle` or `handleBatch`."],
      },
    ],
  },
  "configure-only-subscribe": {
    valid: [
      `const wire: Configure = (events) => events.subscribe(worker, { to: E });`,
      `function wire(events: Registry) { events.subscribe(worker, { to: E }); }`,
      `function wire(options): Configure { return (events) => events.subscribe(worker, { to: E }); }`,
      `const wire = ((events) => events.subscribe(worker, { to: E })) satisfies Configure;`,
    ].map((code) => ({ code })),
    invalid: [
      {
        code: `const wire = (events: Other) => events.subscribe(worker, { to: E });`,
        errors: [
          "Subscriptions are made while the store is created. Move this into a configure function: one whose name begins with `configure`, whose type is `Configure`, that is given as `configure`, or that such a function returns.",
        ],
      },
    ],
  },
  "no-floating-publish": {
    valid: [{ code: `const receipt = (await store.publish(event))!; use(store!.publish(event));` }],
    invalid: [
      {
        code: `(store.publish(event) as Promise<void>);\nstore!.publish(event as E);`,
        errors: Array(2).fill(
          "Nobody waits for `publish`: its failure would go unnoticed. Await it, return it, or give it to `Promise.all`.",
        ),
      },
    ],
  },
  "no-cross-context-call": {
    valid: [
      {
        code: `import type { updateHead } from "../merge_requests/subscribers/update-head.js";\nimport { type headWorker } from "../merge_requests/index.js";`,
        filename: ciService.replace(/js$/, "ts"),
      },
    ],
    invalid: [],
  },
};
