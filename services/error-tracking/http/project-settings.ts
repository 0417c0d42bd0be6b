import { isJsonObject, type JsonObject } from "@signalbox/sentry-protocol";
import type { FastifyInstance } from "fastify";
import { firstGroupingVersion } from "../grouping/group-event.js";
import { normaliseEvent } from "../normalise/normalise-event.js";
import {
  type ProjectSettings,
  pinGrouping,
  type RetainedKind,
  readSettings,
  retainedKinds,
  retentions,
  updateSettings,
} from "../projects/project-settings.js";
import { scrubEvent } from "../scrub/scrub-event.js";
import { type ScrubRule, type ScrubSettings, scrubKinds, scrubMethods } from "../scrub/scrub-settings.js";
import { type ApiDependencies, visibleProject } from "./api-dependencies.js";
import { jsonAnswer, projectParameter } from "./api-schemas.js";
import { projectExample, projectSchema, showProject } from "./projects.js";
import {
  type FiltersBody,
  filtersExample,
  filtersSchema,
  type QuotaBody,
  quotasSchema,
  showFilters,
  showQuota,
  toFilters,
  toQuota,
} from "./quota-schemas.js";

const names = { type: "array", maxItems: 200, items: { type: "string", minLength: 1, maxLength: 100 } } as const;
const path = { type: "string", minLength: 1, maxLength: 500, pattern: "^[^\\s]+$" } as const;

const scrubbingSchema = {
  type: "object",
  additionalProperties: false,
  description: "What is taken out of events before they are kept.",
  properties: {
    enabled: { type: "boolean" },
    sensitive_names: { ...names, description: "Values of names that hold one of these are taken out, too." },
    safe_names: { ...names, description: "Values of these names are left as they are." },
    scrub_ip_addresses: { type: "boolean" },
    scrub_emails: { type: "boolean" },
    rules: {
      type: "array",
      maxItems: 50,
      items: {
        type: "object",
        required: ["method"],
        additionalProperties: false,
        properties: {
          type: { enum: scrubKinds, description: "Kind of secret that is looked for." },
          pattern: {
            type: "string",
            minLength: 1,
            maxLength: 200,
            description: "Text that is looked for, in any case.",
          },
          path: { ...path, description: "Where: names joined by dots, `*` for any one, `**` for any number." },
          method: { enum: scrubMethods },
        },
      },
    },
  },
} as const;

const settingsSchema = {
  type: "object",
  additionalProperties: false,
  properties: {
    retention_days: {
      enum: [...retentions, null],
      description: "Days for which events are kept; null: as the instance.",
    },
    retention_days_of: {
      type: "object",
      additionalProperties: false,
      description: "Days for what comes beside events, where that is less; null: as events.",
      properties: Object.fromEntries(retainedKinds.map((kind) => [kind, { enum: [...retentions, null] }])),
    },
    scrubbing: scrubbingSchema,
    store_addresses: {
      type: "boolean",
      description: "False: the address of the connection is not taken for the user's.",
    },
    grouping_version: {
      enum: [1, null],
      description:
        "The algorithm; null in a request: that of new projects. The one before is asked as well for a while.",
    },
    fingerprint_rules: { type: "string", maxLength: 50_000, description: "One rule per line." },
    stack_rules: { type: "string", maxLength: 50_000, description: "One rule per line." },
    auto_resolve_days: { type: "integer", minimum: 0, maximum: 365, description: "0: never." },
    repository: {
      type: ["object", "null"],
      required: ["url_template"],
      additionalProperties: false,
      properties: {
        url_template: { type: "string", maxLength: 1000 },
        strip_prefixes: { type: "array", maxItems: 50, items: { type: "string", maxLength: 500 } },
        add_prefix: { type: "string", maxLength: 500 },
        default_branch: { type: "string", minLength: 1, maxLength: 200 },
      },
    },
    issue_template: { type: ["string", "null"], maxLength: 1000 },
    quotas: {
      ...quotasSchema,
      type: ["array", "null"],
      description: "How much may be sent to the project; null: as the instance gives to each project.",
    },
    filters: filtersSchema,
  },
} as const;

const settingsExample = {
  retention_days: 90,
  retention_days_of: { attachments: 30, feedback: null, sessions: null },
  scrubbing: {
    enabled: true,
    sensitive_names: ["customer_number"],
    safe_names: [],
    scrub_ip_addresses: false,
    scrub_emails: false,
    rules: [],
  },
  store_addresses: true,
  grouping_version: 1,
  fingerprint_rules: "type:PaymentError -> payment",
  stack_rules: "",
  auto_resolve_days: 0,
  repository: null,
  issue_template: null,
  quotas: null,
  filters: filtersExample,
} as const;

interface ScrubbingBody {
  readonly enabled?: boolean;
  readonly sensitive_names?: readonly string[];
  readonly safe_names?: readonly string[];
  readonly scrub_ip_addresses?: boolean;
  readonly scrub_emails?: boolean;
  readonly rules?: readonly {
    readonly type?: (typeof scrubKinds)[number];
    readonly pattern?: string;
    readonly path?: string;
    readonly method: (typeof scrubMethods)[number];
  }[];
}

interface SettingsBody {
  readonly retention_days?: (typeof retentions)[number] | null;
  readonly retention_days_of?: Partial<Readonly<Record<RetainedKind, (typeof retentions)[number] | null>>>;
  readonly scrubbing?: ScrubbingBody;
  readonly store_addresses?: boolean;
  readonly grouping_version?: number | null;
  readonly fingerprint_rules?: string;
  readonly stack_rules?: string;
  readonly auto_resolve_days?: number;
  readonly repository?: {
    readonly url_template: string;
    readonly strip_prefixes?: readonly string[];
    readonly add_prefix?: string;
    readonly default_branch?: string;
  } | null;
  readonly issue_template?: string | null;
  readonly quotas?: readonly QuotaBody[] | null;
  readonly filters?: FiltersBody;
}

const withSettings = {
  ...projectSchema,
  properties: { ...projectSchema.properties, settings: settingsSchema },
} as const;
const example = { ...projectExample, settings: settingsExample } as const;
const params = { type: "object", properties: { id: projectParameter } } as const;

/** One project with its settings, and what its scrubbing does to an event. */
export function registerProjectSettingRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { projects, database } = dependencies;

  const show = async (projectId: number) => {
    const project = await projects.get(projectId);
    if (project === undefined) return undefined;
    const dsn = (await projects.keys(projectId)).find(({ active }) => active)?.dsn;
    return { ...showProject(project, dsn), settings: showSettings(await readSettings(database, projectId)) };
  };

  app.get<{ Params: { id: number } }>("/projects/:id", {
    config: { access: { scope: "errors:read" }, errors: ["ET_PROJECT_NOT_FOUND", "unavailable"] },
    schema: {
      summary: "Show one project with its settings",
      tags: ["projects"],
      params,
      response: { 200: jsonAnswer("The project.", withSettings, example) },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      return show(project.id);
    },
  });

  app.patch<{
    Params: { id: number };
    Body: { name?: string; slug?: string; active?: boolean; settings?: SettingsBody };
  }>("/projects/:id", {
    config: {
      access: { scope: "errors:admin" },
      errors: [
        "ET_PROJECT_NOT_FOUND",
        "ET_PROJECT_NAME_INVALID",
        "ET_PROJECT_SLUG_INVALID",
        "ET_PROJECT_SLUG_TAKEN",
        "ET_RULE_INVALID",
        "ET_TEMPLATE_INVALID",
        "ET_NETWORK_INVALID",
        "unavailable",
      ],
    },
    schema: {
      summary: "Change a project or its settings",
      tags: ["projects"],
      params,
      body: {
        type: "object",
        minProperties: 1,
        additionalProperties: false,
        properties: {
          name: { type: "string", minLength: 1, maxLength: 100 },
          slug: { type: "string", minLength: 1, maxLength: 50 },
          active: { type: "boolean" },
          settings: settingsSchema,
        },
        examples: [{ settings: { retention_days: 30 } }],
      },
      response: { 200: jsonAnswer("The project as it is now.", withSettings, example) },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      const { settings, ...changes } = request.body;
      if (settings !== undefined) await changeSettings(project.id, settings);
      if (Object.keys(changes).length > 0) await projects.update(project.id, changes);
      return show(project.id);
    },
  });

  const changeSettings = async (projectId: number, body: SettingsBody): Promise<void> => {
    const before = await readSettings(database, projectId);
    const version = body.grouping_version === null ? dependencies.defaults.groupingVersion : body.grouping_version;
    const pinned = version === undefined ? {} : pinGrouping(before, version, dependencies.clock.nowMs());
    await updateSettings(database, projectId, { ...toSettings(body, before), ...pinned });
  };

  app.post<{ Params: { id: number }; Body: { event: JsonObject; scrubbing?: ScrubbingBody } }>(
    "/projects/:id/errors/scrub-preview",
    {
      config: { access: { scope: "errors:read" }, errors: ["ET_PROJECT_NOT_FOUND", "unavailable"] },
      schema: {
        summary: "Show what scrubbing makes of an event",
        tags: ["projects"],
        params,
        body: {
          type: "object",
          required: ["event"],
          additionalProperties: false,
          properties: {
            event: { type: "object", additionalProperties: true, description: "As an SDK would send it." },
            scrubbing: { ...scrubbingSchema, description: "Settings to try. Default: those of the project." },
          },
          examples: [{ event: { extra: { password: "hunter2" } } }],
        },
        response: {
          200: jsonAnswer(
            "The event as it would be kept; `scrubbed` lists what was taken out.",
            {
              type: "object",
              required: ["event"],
              properties: { event: { type: "object", additionalProperties: true } },
            },
            { event: { extra: { password: "[Filtered]" }, scrubbed: [{ path: "extra.password", rule: "name" }] } },
          ),
        },
      },
      async handler(request) {
        const project = await visibleProject(request, projects, request.params.id);
        const { scrubbing: stored } = await readSettings(database, project.id);
        const { event: raw, scrubbing } = request.body;
        const { event } = normaliseEvent(isJsonObject(raw) ? raw : {}, {
          eventId: "0".repeat(32),
          receivedAtMs: dependencies.clock.nowMs(),
          correlationId: "",
        });
        return { event: scrubEvent(event, scrubbing === undefined ? stored : toScrubbing(scrubbing, stored)) };
      },
    },
  );
}

function retentionOf(
  days: Partial<Record<RetainedKind, number | null | undefined>>,
): ProjectSettings["retentionDaysOf"] {
  return Object.fromEntries(
    retainedKinds.flatMap((kind) => (typeof days[kind] === "number" ? [[kind, days[kind]]] : [])),
  );
}

/** What was sent, over what holds; what was not sent stays. */
function toSettings(body: SettingsBody, before: ProjectSettings): Partial<ProjectSettings> {
  const { repository } = body;
  return {
    ...(body.retention_days === undefined ? {} : { retentionDays: body.retention_days ?? undefined }),
    ...(body.retention_days_of === undefined
      ? {}
      : { retentionDaysOf: retentionOf({ ...before.retentionDaysOf, ...body.retention_days_of }) }),
    ...(body.scrubbing === undefined ? {} : { scrubbing: toScrubbing(body.scrubbing, before.scrubbing) }),
    ...(body.store_addresses === undefined ? {} : { storeAddresses: body.store_addresses }),
    ...(body.fingerprint_rules === undefined ? {} : { fingerprintRules: body.fingerprint_rules }),
    ...(body.stack_rules === undefined ? {} : { stackRules: body.stack_rules }),
    ...(body.auto_resolve_days === undefined ? {} : { autoResolveDays: body.auto_resolve_days }),
    ...(repository === undefined
      ? {}
      : {
          repository: repository
            ? {
                urlTemplate: repository.url_template,
                stripPrefixes: repository.strip_prefixes ?? [],
                addPrefix: repository.add_prefix ?? "",
                defaultBranch: repository.default_branch ?? "main",
              }
            : undefined,
        }),
    ...(body.issue_template === undefined ? {} : { issueTemplate: body.issue_template ?? undefined }),
    ...(body.quotas === undefined ? {} : { quotas: body.quotas?.map(toQuota) }),
    ...(body.filters === undefined ? {} : { filters: toFilters(body.filters, before.filters) }),
  };
}

function toScrubbing(body: ScrubbingBody, before: ScrubSettings): ScrubSettings {
  return {
    enabled: body.enabled ?? before.enabled,
    sensitiveNames: body.sensitive_names ?? before.sensitiveNames,
    safeNames: body.safe_names ?? before.safeNames,
    addresses: body.scrub_ip_addresses ?? before.addresses,
    emails: body.scrub_emails ?? before.emails,
    rules: body.rules?.map(toRule) ?? before.rules,
  };
}

function toRule({ type, pattern, path: at, method }: NonNullable<ScrubbingBody["rules"]>[number]): ScrubRule {
  const find = type !== undefined ? { kind: type } : pattern !== undefined ? { text: pattern } : undefined;
  return { find, path: at, method };
}

function showSettings(settings: ProjectSettings) {
  const { scrubbing, repository } = settings;
  return {
    retention_days: settings.retentionDays ?? null,
    retention_days_of: Object.fromEntries(
      retainedKinds.map((kind) => [kind, settings.retentionDaysOf?.[kind] ?? null]),
    ),
    scrubbing: {
      enabled: scrubbing.enabled,
      sensitive_names: scrubbing.sensitiveNames,
      safe_names: scrubbing.safeNames,
      scrub_ip_addresses: scrubbing.addresses,
      scrub_emails: scrubbing.emails,
      rules: scrubbing.rules.map(({ find, path: at, method }) => ({
        ...(find !== undefined && "kind" in find ? { type: find.kind } : {}),
        ...(find !== undefined && "text" in find ? { pattern: find.text } : {}),
        ...(at === undefined ? {} : { path: at }),
        method,
      })),
    },
    store_addresses: settings.storeAddresses,
    grouping_version: settings.groupingVersion ?? firstGroupingVersion,
    fingerprint_rules: settings.fingerprintRules,
    stack_rules: settings.stackRules,
    auto_resolve_days: settings.autoResolveDays,
    repository:
      repository === undefined
        ? null
        : {
            url_template: repository.urlTemplate,
            strip_prefixes: repository.stripPrefixes,
            add_prefix: repository.addPrefix,
            default_branch: repository.defaultBranch,
          },
    issue_template: settings.issueTemplate ?? null,
    quotas: settings.quotas?.map(showQuota) ?? null,
    filters: showFilters(settings.filters),
  };
}
