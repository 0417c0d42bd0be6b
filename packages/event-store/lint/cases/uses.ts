import { type Case, ci, ciService, mergeRequests, type RuleCases } from "./case.js";

const dear = (what: string): string =>
  `${what} does not belong into a condition, which runs on every publish, in the publisher's time. Decide it in the handler.`;
const floating = (name: string): string =>
  `Nobody waits for \`${name}\`: its failure would go unnoticed. Await it, return it, or give it to \`Promise.all\`.`;
const outside =
  "Subscribers would hear of this even if the transaction is rolled back. Pass `{ transaction }`, or `{ afterCommit: true }`.";
const unconfigured =
  "Subscriptions are made while the store is created. Move this into a configure function: one whose name begins with `configure`, whose type is `Configure`, that is given as `configure`, or that such a function returns.";
const foreign = "`PipelineCreated` is an event of context ci, so only that context can know that it happened.";
const subscribe = (condition: string): string =>
  `registry.subscribe(worker, { to: PipelineCreated, if: ${condition} });`;

/** Rules about subscribers, subscriptions and publishing. */
export const useCases: Readonly<Record<string, RuleCases>> = {
  "subscriber-has-handler": {
    valid: [
      { code: `defineSubscriber("ci.x", { handle: async () => {} })` },
      { code: `defineSubscriber("ci.x", { async handleBatch(events) {} })` },
      { code: `defineSubscriber("ci.x", { handle })` },
      { code: `defineSubscriber("ci.x", { ...common })` },
      { code: `defineSubscriber("ci.x", options)` },
      { code: `const worker = { urgency: "high" }; define("ci.x", {}); new Worker({})` },
      { code: `class Worker { name = "ci.x" }` },
    ],
    invalid: [
      {
        code: `export const worker = defineSubscriber("ci.x", { urgency: "high" });`,
        errors: ["This subscriber handles nothing: give it `handle` or `handleBatch`."],
      },
      {
        code: `defineSubscriber("ci.x");\nevents.defineSubscriber("ci.y", {});`,
        errors: Array(2).fill("This subscriber handles nothing: give it `handle` or `handleBatch`."),
      },
    ],
  },
  "no-handler-override": {
    valid: [
      { code: `defineSubscriber("ci.x", { handle: async () => {} })` },
      { code: `const job = { perform() {}, run() {}, process() {}, consume() {} }; job.run()` },
      { code: `class Job { perform() {} run() {} }` },
      { code: `defineSubscriber("ci.x", { handle() { return { run: 1 }; } })` },
    ],
    invalid: [
      {
        code: `defineSubscriber("ci.x", { handle, perform() {} });`,
        errors: ["`perform` would stand in for what the runtime does before the handler. Put the work into `handle`."],
      },
      {
        code: `defineSubscriber("ci.x", {\n  run: async () => {},\n  process,\n  "consume": 1,\n});`,
        errors: ["run", "process", "consume"].map(
          (name) =>
            `\`${name}\` would stand in for what the runtime does before the handler. Put the work into \`handle\`.`,
        ),
      },
    ],
  },
  "no-cross-context-call": {
    valid: [
      {
        code: `import { updateHead } from "./subscribers/update-head.js";\nupdateHead.handle(event);`,
        filename: mergeRequests,
      },
      {
        code: `import { PipelineCreated } from "../ci/events/pipeline.js";\nPipelineCreated.create({});`,
        filename: mergeRequests,
      },
      {
        code: `import { updateHead } from "../modules/merge_requests/subscribers/update-head.js";`,
        filename: "apps/main.js",
      },
      { code: `queue.enqueue("ci.notify", 1); new Queue("mail")`, filename: ci },
      { code: `handle(request); server.handle(request)`, filename: ci },
      {
        code: `queue.enqueue("merge_requests.other", 1);`,
        filename: ciService,
        settings: {
          "event-store": {
            contexts: { ci: ["modules/ci/**"], merge_requests: [] },
            manifest: "lint/cases/manifest.json",
          },
        },
      },
    ],
    invalid: [
      {
        code: `import { updateHead } from "../merge_requests/subscribers/update-head.js";`,
        filename: ciService,
        errors: [
          "`updateHead` is a subscriber of context merge_requests. Publish an event that it can subscribe to instead.",
        ],
      },
      {
        code: `import { HeadWorker as head } from "../merge_requests/head.js";`,
        filename: ciService,
        errors: [
          "`head` is a subscriber of context merge_requests. Publish an event that it can subscribe to instead.",
        ],
      },
      {
        code: `import { head } from "../merge_requests/index.js";\nawait head.handle(event);\nawait head.options.handleBatch([event]);`,
        filename: ciService,
        errors: Array(2).fill(
          "This calls a handler of context merge_requests. Publish an event that it can subscribe to instead.",
        ),
      },
      {
        code: `queue.enqueue("merge_requests.update_head", {});\ntransport.enqueue([{ id, subscriber: "merge_requests.update_head" }]);\nnew Queue("merge_requests.update_head");`,
        filename: ciService,
        errors: Array(3).fill(
          "This enqueues work for merge_requests.update_head of context merge_requests. Publish an event that it can subscribe to instead.",
        ),
      },
    ],
  },
  "publish-in-own-context": {
    valid: [
      {
        code: `import { PipelineCreated } from "./events/pipeline.js";\nawait store.publish(PipelineCreated.create({ id: 1 }));`,
        filename: ciService,
      },
      {
        code: `import { PipelineCreated } from "../modules/ci/events/pipeline.js";\nawait store.publish(PipelineCreated.create({ id: 1 }));`,
        filename: "apps/main.js",
      },
      {
        code: `import { PipelineCreated } from "../ci/events/pipeline.js";\nawait store.publish(event); await db.publish("x", PipelineCreated.create()); PipelineCreated.create({});`,
        filename: mergeRequests,
      },
    ],
    invalid: [
      {
        code: `import { PipelineCreated } from "../ci/events/pipeline.js";\nawait store.publish(PipelineCreated.create({ id: 1 }));`,
        filename: mergeRequests,
        errors: [foreign],
      },
      {
        code: `import { PipelineCreated } from "@forge/ci";\nawait this.store.publishGroup([PipelineCreated.create({ id: 1 })]);\nawait store.publishGroup(ids.map((id) => PipelineCreated.create({ id })));`,
        filename: mergeRequests,
        errors: [foreign, foreign],
      },
      {
        code: `const PipelineCreated = defineEvent("ci.pipeline_created", {});\nawait store.publish(PipelineCreated.create({ id: 1 }));`,
        filename: mergeRequests,
        errors: [foreign],
      },
    ],
  },
  "cheap-condition": {
    valid: [
      subscribe(`({ data }) => data.status === "failed" && data.tags.some((tag) => tag.startsWith("x"))`),
      subscribe(`isMine`),
      `const isMine = (event) => event.data.mine; ${subscribe(`isMine`)}`,
      `observable.subscribe(observer, { if: async () => {} }); if (x) await fetch(url)`,
      `registry.subscribe(worker, { to: X, key: (event) => query(event) })`,
    ].map((code) => ({ code })),
    invalid: [
      { code: subscribe(`async ({ data }) => data.ok`), errors: [dear("`async`")] },
      {
        code: subscribe(`async (event) => await load(event)`),
        errors: [dear("`async`"), dear("`await`")],
      },
      { code: subscribe(`() => new Promise(() => {})`), errors: [dear("A promise")] },
      { code: subscribe(`(event) => load(event).then(Boolean)`), errors: [dear("`.then`")] },
      {
        code: subscribe(`function (event) { for (const x of event.data.list) if (x) return true; }`),
        errors: [dear("A loop")],
      },
      { code: subscribe(`(event) => { while (busy()); }`), errors: [dear("A loop")] },
      { code: subscribe(`() => import("./config.js")`), errors: [dear("`import()`")] },
      {
        code: subscribe(`(event) => db.query(event) || fetch(url)`),
        errors: [dear("A call of `query`"), dear("A call of `fetch`")],
      },
      {
        code: `registry.subscribe(worker, { to: X, if(event) { return readFileSync(path); } })`,
        errors: [dear("A call of `readFileSync`")],
      },
      {
        code: subscribe(`(event) => lookUp(event)`),
        options: [{ io: ["lookUp"] }],
        errors: [dear("A call of `lookUp`")],
      },
      {
        code: `function isMine(event) { return execute(event); }\n${subscribe(`isMine`)}`,
        errors: [dear("A call of `execute`")],
      },
    ],
  },
  "no-publish-in-transaction": {
    valid: [
      `await database.transaction(async (transaction) => store.publish(E.create({}), { transaction }))`,
      `await db.transaction().execute(async (trx) => { await store.publish(E.create({}), { transaction: trx }); })`,
      `await database.transaction(() => store.publishGroup(list, { afterCommit: true }))`,
      `await database.transaction(() => store.publish(E.create({}), options))`,
      `await database.transaction(write); await store.publish(E.create({}))`,
      `await database.transaction(() => redis.publish("channel", 1))`,
    ].map((code) => ({ code })),
    invalid: [
      { code: `await database.transaction(async () => { await store.publish(E.create({})); });`, errors: [outside] },
      { code: `await db.transaction().execute(async (trx) => store.publish(E.create({})));`, errors: [outside] },
      {
        code: `await db.transaction().setIsolationLevel("serializable").execute(async (trx) => { for (const x of y) await this.store.publishGroup(list, {}); });`,
        errors: [outside],
      },
      {
        code: `await database.transaction(async () => { await save(async () => store.publish(E.create({}))); });`,
        errors: [outside],
      },
    ],
  },
  "no-floating-publish": {
    valid: [
      `async function f() { await store.publish(event); return store.publishGroup(events); }`,
      `const f = () => store.publish(event);`,
      `await Promise.all([store.publish(event), store.publish(event)])`,
      `const receipt = store.publish(event);\nconsole.log(await receipt);`,
      `export const receipt = store.publish(event);`,
      `queue.push(store.publish(event)); list.map((event) => store.publish(event));`,
      `await (ready && store.publish(event)); await store.publish(event).catch(log);`,
      `redis.publish("channel", text); redis.publish(\`channel:\${id}\`, text); publish(event); hub.publish({ text })`,
      `await expect(f).toPublishEvent(E); await recordEvents(f); test("x", () => expect(f).not.toPublishEvent(E))`,
    ]
      .map((code): Case => ({ code }))
      .concat([
        {
          code: `class Forge { #topic; #store; async f() { this.#topic.publish(state); hub.publish(state); await this.#store.publish(event); } }`,
          settings: { "event-store": { stores: ["*tore", "events"] } },
        },
      ]),
    invalid: [
      {
        code: `class Forge {\n  #store;\n  f() { this.#store.publish(event); }\n}\napp.eventStore.publish(event);\nevents.publish(event);`,
        settings: { "event-store": { stores: ["*tore", "events"] } },
        errors: Array(3).fill(floating("publish")),
      },
      {
        code: `store.publish(event);\nvoid this.store.publishGroup(events);`,
        errors: [floating("publish"), floating("publishGroup")],
      },
      { code: `if (ready) ready && store.publish(event);`, errors: [floating("publish")] },
      { code: `ready ? store.publish(event) : other();`, errors: [floating("publish")] },
      {
        code: `store.publish(event).then(log);\nstore.publish(event).catch(log).finally(done);`,
        errors: [floating("publish"), floating("publish")],
      },
      { code: `list.forEach((event) => { store.publish(event); });`, errors: [floating("publish")] },
      { code: `const receipt = store.publish(event);`, errors: [floating("publish")] },
      { code: `store?.publish(event);`, errors: [floating("publish")] },
      {
        code: `test("x", () => {\n  expect(f).toPublishEvent(E);\n  expect(f).not.toPublishEvent(E);\n  expect(f).toPublishEvents(E);\n  assertPublishes(f, E);\n});`,
        errors: ["toPublishEvent", "toPublishEvent", "toPublishEvents", "assertPublishes"].map(floating),
      },
    ],
  },
  "configure-only-subscribe": {
    valid: [
      `export const configureCi = (registry) => registry.subscribe(worker, { to: E });`,
      `function configure(registry) { for (const worker of workers) registry.subscribe(worker, { to: E }); }`,
      `createEventStore({ configure: (registry) => { registry.subscribe(worker, { to: E }); } });`,
      `createEventStore({ configure: [(registry) => registry.subscribe(worker, { to: E })] });`,
      `function configureCi(options) { return (registry) => { registry.subscribe(worker, { to: E }); }; }`,
      `const configureCi = (options) => (registry) => registry.subscribe(worker, { to: E });`,
      `class Module { configure(registry) { registry.subscribe(worker, { to: E }); } }`,
      `observable.subscribe((value) => {}); observable.subscribe(observer, { signal }); client.subscribe("topic", { qos: 1 })`,
    ].map((code) => ({ code })),
    invalid: [
      { code: `registry.subscribe(worker, { to: E });`, errors: [unconfigured] },
      { code: `function setUp(registry) { registry.subscribe(worker, { to: E }); }`, errors: [unconfigured] },
      {
        code: `export const configureCi = (registry) => other.subscribe(worker, { to: E });`,
        errors: [unconfigured],
      },
      {
        code: `function configureCi() { on((registry) => registry.subscribe(worker, { to: E })); }`,
        errors: [unconfigured],
      },
      { code: `store.on("x", (registry) => registry.subscribe(worker, { to: [E] }));`, errors: [unconfigured] },
    ],
  },
  "publish-from-service": {
    valid: [
      { code: `store.publish(event);`, filename: ciService, options: [{ forbidden: ["**/models/**"] }] },
      { code: `store.publish(event);`, filename: "modules/ci/models/pipeline.js" },
      {
        code: `redis.publish("x", 1);`,
        filename: "modules/ci/models/pipeline.js",
        options: [{ forbidden: ["**/models/**"] }],
      },
    ],
    invalid: [
      {
        code: `store.publish(event);`,
        filename: "modules/ci/models/pipeline.js",
        options: [{ forbidden: ["**/{models,hooks}/**"] }],
        errors: [
          "What happens here is a change of a record, not yet something that others care about. Publish from the service that means it.",
        ],
      },
    ],
  },
};
