import { ci, ciService, mergeRequests, type RuleCases } from "./case.js";

const documented = `description: "A pipeline exists", owner: "verify", category: "pipelines"`;

/** Rules about `defineEvent`. */
export const definitionCases: Readonly<Record<string, RuleCases>> = {
  "event-in-own-context": {
    valid: [
      { code: `defineEvent("ci.pipeline_created", {})`, filename: ci },
      { code: `defineEvent("ci.runners.job_taken", {})`, filename: "modules/ci/runners/events/jobs.js" },
      { code: `define("merge_requests.closed", {})`, filename: ci },
      { code: `defineEvent(type, {})`, filename: ci },
      {
        code: `defineEvent("ci.pipeline_created", {})`,
        filename: "modules/ci/facts.js",
        options: [{ allow: ["**/facts.js"] }],
      },
      { code: `defineEvent("ci.pipeline_created", {})`, filename: "any/events/x.js", settings: {} },
    ],
    invalid: [
      {
        code: `const x = defineEvent("merge_requests.closed", {});`,
        filename: ci,
        errors: [
          "Event merge_requests.closed belongs into a file of context merge_requests; this one is of context ci.",
        ],
      },
      {
        code: `store.defineEvent(\`ci.pipeline_created\`, {});`,
        filename: "lib/events/pipeline.js",
        errors: ["Event ci.pipeline_created belongs into a file of context ci; this one is of no context."],
      },
      {
        code: `import { defineEvent as event } from "@signalbox/event-store";\nexport const x = event("ci.pipeline_created", {});`,
        filename: ciService,
        errors: ["Event ci.pipeline_created belongs into a folder `events` of its context, where others look for it."],
      },
    ],
  },
  "known-context": {
    valid: [
      { code: `defineEvent("ci.pipeline_created", {}); defineSubscriber("merge_requests.update_head", {})` },
      { code: `defineEvent("wiki.page_saved", {})`, settings: {} },
      { code: `defineEvent(name, {}); other("wiki.page_saved")` },
    ],
    invalid: [
      {
        code: `defineEvent("wiki.page_saved", {});`,
        errors: [
          "`wiki` is not among the contexts of the settings: ci, merge_requests. Correct the name, or add the context.",
        ],
      },
      {
        code: `export const worker = defineSubscriber("merge_request.update_head", { handle });`,
        errors: [
          "`merge_request` is not among the contexts of the settings: ci, merge_requests. Correct the name, or add the context.",
        ],
      },
    ],
  },
  "past-tense-name": {
    valid: [
      ...["pipeline_created", "mail_sent", "image_built", "job_begun", "lock_lost", "mail_read", "limit_set"],
      ...["pipeline_timed_out", "user_signed_in_again", "card_put_back", "release_withdrawn", "member_freed"],
    ]
      .map((name) => ({ code: `defineEvent("ci.${name}", {})` }))
      .concat([
        { code: `defineEvent("ci.created.thing_made", {})` },
        { code: `defineSubscriber("ci.create_pipeline", {}); defineEvent(type, {})` },
      ]),
    invalid: ["pipeline_create", "creation", "newsfeed", "need", "pipeline_seed", "user_is_red", "pipeline_creating"]
      .map((segment) => ({ type: `ci.${segment}`, segment }))
      .concat([{ type: "ci.created.pipeline", segment: "pipeline" }])
      .map(({ type, segment }) => ({
        code: `defineEvent("${type}", {})`,
        options: [{ allow: ["ci.other*"] }],
        errors: [
          `\`${segment}\` does not say what happened. Name the event in the past tense (\`pipeline_created\`), or list the type in the option \`allow\`.`,
        ],
      })),
  },
  "event-documented": {
    valid: [
      { code: `defineEvent("ci.pipeline_created", { schema, ${documented} })` },
      { code: `defineEvent("ci.legacy_thing", { schema })` },
      { code: `defineEvent("ci.pipeline_created", { ...common, schema })` },
      { code: `defineEvent("ci.pipeline_created", options)` },
      { code: `defineEvent("ci.pipeline_created", { description, owner: owners.ci, category: \`pipelines\` })` },
    ],
    invalid: [
      {
        code: `defineEvent("ci.pipeline_created", { schema });`,
        errors: [
          "Event ci.pipeline_created lacks description, owner, category. Fill in, or add the type to `exempt` in the settings.",
        ],
      },
      {
        code: `defineEvent("ci.pipeline_created", { schema, description: " ", owner: "verify", category: "" });`,
        errors: [
          "Event ci.pipeline_created lacks description, category. Fill in, or add the type to `exempt` in the settings.",
        ],
      },
      {
        code: `defineEvent("ci.pipeline_created");`,
        errors: [
          "Event ci.pipeline_created lacks description, owner, category. Fill in, or add the type to `exempt` in the settings.",
        ],
      },
    ],
  },
  "edition-boundary": {
    valid: [
      { code: `defineEvent("ci.pipeline_created", { schema })`, filename: ci },
      { code: `defineEvent("ci.scan_finished", { schema, edition: "enterprise" })`, filename: "ee/ci/events/scan.js" },
      { code: `defineEvent("ci.scan_finished", { schema, edition: EDITION })`, filename: ci },
      { code: `defineEvent("ci.scan_finished", { schema, edition: "other" })`, filename: ci, settings: {} },
      {
        code: `import { PipelineCreated } from "../../modules/ci/events/pipeline.js";\nexport const configure = (registry) => registry.subscribe(worker, { to: PipelineCreated });`,
        filename: "ee/ci/configure.js",
      },
    ],
    invalid: [
      {
        code: `defineEvent("ci.scan_finished", { schema });`,
        filename: "ee/ci/events/scan.js",
        errors: ['This file belongs to edition enterprise, so its events need `edition: "enterprise"`.'],
      },
      {
        code: `defineEvent("ci.pipeline_created", { schema, edition: "enterprise" });`,
        filename: ci,
        errors: ["Edition enterprise is not that of this file, which belongs to core."],
      },
      {
        code: `defineEvent("ci.scan_finished", { edition: "ultimate", schema });`,
        filename: "ee/ci/events/scan.js",
        errors: ["Edition ultimate is not that of this file, which belongs to edition enterprise."],
      },
      {
        code: `import { ScanFinished } from "../../ee/ci/events/scan.js";\nimport { PipelineCreated } from "./events/pipeline.js";\nexport const configure = (registry) => registry.subscribe(worker, { to: [PipelineCreated, ScanFinished] });`,
        filename: ciService,
        errors: [
          "`ScanFinished` exists in edition enterprise only, so core cannot subscribe to it. The other way round is fine.",
        ],
      },
    ],
  },
  "required-only-identifiers": {
    valid: [
      { code: `defineEvent("ci.x_made", { schema: { type: "object", required: ["id", "iid", "pipeline_id"] } })` },
      { code: `defineEvent("ci.x_made", { schema }); other({ schema: { required: ["ref"] } })` },
      { code: `defineEvent("ci.x_made", { schema: { properties: { a: { required: ["ref"] } } } })` },
    ],
    invalid: [
      {
        code: `defineEvent("ci.x_made", { schema: { required: ["pipeline_id", "ref", "_id"] } });`,
        errors: [
          "`ref` is no identifier. Make it optional: a required property takes three releases to go away.",
          "`_id` is no identifier. Make it optional: a required property takes three releases to go away.",
        ],
      },
    ],
  },
  "no-handmade-event": {
    valid: [
      { code: `store.publish(PipelineCreated.create({ id: 1 })); const x = { specversion: "1.0" };` },
      { code: `const copy = { ...event.data }; copy.ref = "x"; row.data = event.data; delete map.data` },
      { code: `broker.publish("subject", { specversion: "1.0" })` },
    ],
    invalid: [
      {
        code: `store.publish({ specversion: "1.0", type: "x" });\nstore.publishGroup([{ specversion: "1.0" }]);`,
        errors: Array(2).fill(
          "An event is made by the `create` of its definition, which checks its data; the store refuses this one.",
        ),
      },
      {
        code: `event.data = {};\nevent.data.ref = "x";\ncreatedEvent.data.jobs[0].id++;\nevents[0].data.ref = 1;\ndelete event.data.ref;\nObject.assign(event.data, {});`,
        filename: mergeRequests,
        errors: Array(6).fill("An event says what happened and is frozen. Copy what you need."),
      },
    ],
  },
};
