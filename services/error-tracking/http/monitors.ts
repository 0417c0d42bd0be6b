import { decodeCursor, type PageQuery, pageParameters } from "@signalbox/http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { ReadError } from "../issues/read-errors.js";
import {
  isCheckInPosition,
  listCheckIns,
  listMonitors,
  type Monitor,
  type StoredCheckIn,
} from "../items/list-monitors.js";
import { intervalUnits } from "../items/read-check-in.js";
import { changeMonitor, createMonitor, deleteMonitor, type MonitorChange } from "../items/save-monitor.js";
import { checkInStatuses } from "../store/tables.js";
import { type ApiDependencies, linkPages, visibleProject } from "./api-dependencies.js";
import { jsonAnswer, listAnswer, projectParameter } from "./api-schemas.js";

const timeOrNull = { type: ["string", "null"], format: "date-time" } as const;

const monitorSchema = {
  type: "object",
  required: ["slug", "schedule", "created_at", "last_check_in_at", "last_status"],
  properties: {
    slug: { type: "string" },
    schedule: {
      type: ["object", "null"],
      description: "When it runs; null until a check-in says so.",
      properties: {
        type: { enum: ["crontab", "interval"] },
        value: { type: ["string", "integer"] },
        unit: { enum: intervalUnits },
      },
    },
    checkin_margin_m: { type: "integer", description: "Minutes that it may be late." },
    max_runtime_m: { type: "integer", description: "Minutes that it may take." },
    timezone: { type: "string" },
    failure_issue_threshold: { type: "integer" },
    recovery_threshold: { type: "integer" },
    created_at: { type: "string", format: "date-time" },
    last_check_in_at: timeOrNull,
    last_status: { type: ["string", "null"] },
  },
} as const;

const monitorExample = {
  slug: "nightly-backup",
  schedule: { type: "crontab", value: "0 3 * * *" },
  checkin_margin_m: 1,
  max_runtime_m: 30,
  timezone: "UTC",
  failure_issue_threshold: 1,
  recovery_threshold: 1,
  created_at: "2026-02-27T16:04:11.000Z",
  last_check_in_at: "2026-03-01T03:04:10.000Z",
  last_status: "ok",
} as const;

const checkInSchema = {
  type: "object",
  required: ["id", "status", "environment", "started_at", "ended_at", "duration_s", "trace_id"],
  properties: {
    id: { type: "string", description: "32 hex digits." },
    status: { enum: checkInStatuses },
    environment: { type: "string" },
    started_at: { type: "string", format: "date-time" },
    ended_at: timeOrNull,
    duration_s: { type: ["number", "null"] },
    trace_id: { type: ["string", "null"] },
  },
} as const;

const checkInExample = {
  id: "83a7c03ed0a04e1b97e2e3b18d38f244",
  status: "ok",
  environment: "production",
  started_at: "2026-03-01T03:00:00.125Z",
  ended_at: "2026-03-01T03:04:10.000Z",
  duration_s: 249.875,
  trace_id: null,
} as const;

const slugParameter = {
  type: "string",
  pattern: "^[a-z0-9_-]{1,50}$",
  description: "Name of the monitor.",
  examples: ["nightly-backup"],
} as const;

const minutes = { type: "integer", maximum: 40_320 } as const;
const threshold = { type: "integer", minimum: 1, maximum: 720 } as const;

const changeProperties = {
  schedule: {
    type: ["object", "null"],
    required: ["type", "value"],
    additionalProperties: false,
    properties: {
      type: { enum: ["crontab", "interval"] },
      value: { type: ["string", "integer"], maxLength: 300, description: "A crontab of five fields, or a number." },
      unit: { enum: intervalUnits, description: "Of an interval." },
    },
  },
  checkin_margin_m: { ...minutes, minimum: 0 },
  max_runtime_m: { ...minutes, minimum: 1 },
  timezone: { type: "string", minLength: 1, maxLength: 64 },
  failure_issue_threshold: threshold,
  recovery_threshold: threshold,
} as const;

interface ChangeBody {
  readonly schedule?: { readonly type: string; readonly value: string | number; readonly unit?: string } | null;
  readonly checkin_margin_m?: number;
  readonly max_runtime_m?: number;
  readonly timezone?: string;
  readonly failure_issue_threshold?: number;
  readonly recovery_threshold?: number;
}

const params = { id: projectParameter, slug: slugParameter } as const;
const errors = ["ET_PROJECT_NOT_FOUND", "ET_MONITOR_NOT_FOUND", "unavailable"];

/** Jobs that check in, and how they got on. */
export function registerMonitorRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { projects, database } = dependencies;
  const findMonitor = async (projectId: number, slug: string): Promise<Monitor> => {
    const monitor = (await listMonitors(database, projectId)).find((candidate) => candidate.slug === slug);
    if (monitor === undefined) throw new ReadError("ET_MONITOR_NOT_FOUND");
    return monitor;
  };
  const visibleMonitor = async (
    request: FastifyRequest<{ Params: { id: number; slug: string } }>,
  ): Promise<Monitor> => {
    const project = await visibleProject(request, projects, request.params.id);
    return findMonitor(project.id, request.params.slug);
  };

  app.get<{ Params: { id: number } }>("/projects/:id/errors/monitors", {
    config: { access: { scope: "errors:read" }, errors: ["ET_PROJECT_NOT_FOUND", "unavailable"] },
    schema: {
      summary: "List the monitors of a project",
      tags: ["errors"],
      params: { type: "object", properties: { id: projectParameter } },
      response: { 200: jsonAnswer("By name.", { type: "array", items: monitorSchema }, [monitorExample]) },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      return (await listMonitors(database, project.id)).map(showMonitor);
    },
  });

  app.get<{ Params: { id: number; slug: string } }>("/projects/:id/errors/monitors/:slug", {
    config: { access: { scope: "errors:read" }, errors },
    schema: {
      summary: "Show a monitor",
      tags: ["errors"],
      params: { type: "object", properties: params },
      response: { 200: jsonAnswer("The monitor.", monitorSchema, monitorExample) },
    },
    handler: async (request) => showMonitor(await visibleMonitor(request)),
  });

  app.post<{ Params: { id: number }; Body: ChangeBody & { readonly slug: string } }>("/projects/:id/errors/monitors", {
    config: {
      access: { scope: "errors:write" },
      errors: ["ET_PROJECT_NOT_FOUND", "ET_MONITOR_EXISTS", "ET_MONITOR_INVALID", "unavailable"],
    },
    schema: {
      summary: "Make a monitor before its first check-in",
      tags: ["errors"],
      params: { type: "object", properties: { id: projectParameter } },
      body: {
        type: "object",
        required: ["slug"],
        additionalProperties: false,
        properties: { slug: { type: "string", pattern: slugParameter.pattern }, ...changeProperties },
        examples: [{ slug: monitorExample.slug, schedule: monitorExample.schedule, timezone: "Europe/Berlin" }],
      },
      response: { 201: jsonAnswer("The monitor.", monitorSchema, monitorExample) },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      const { slug, ...change } = request.body;
      await createMonitor(dependencies, project.id, slug, toMonitorChange(change));
      return reply.code(201).send(showMonitor(await findMonitor(project.id, slug)));
    },
  });

  app.patch<{ Params: { id: number; slug: string }; Body: ChangeBody }>("/projects/:id/errors/monitors/:slug", {
    config: { access: { scope: "errors:write" }, errors: [...errors, "ET_MONITOR_INVALID"] },
    schema: {
      summary: "Say when a monitor runs, and when somebody should worry",
      tags: ["errors"],
      params: { type: "object", properties: params },
      body: {
        type: "object",
        minProperties: 1,
        additionalProperties: false,
        properties: changeProperties,
        examples: [{ schedule: { type: "interval", value: 10, unit: "minute" }, max_runtime_m: 5 }],
      },
      response: { 200: jsonAnswer("The monitor as it is now.", monitorSchema, monitorExample) },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      const { slug } = request.params;
      await changeMonitor(dependencies, project.id, slug, toMonitorChange(request.body));
      return showMonitor(await findMonitor(project.id, slug));
    },
  });

  app.delete<{ Params: { id: number; slug: string } }>("/projects/:id/errors/monitors/:slug", {
    config: { access: { scope: "errors:write" }, errors },
    schema: {
      summary: "Delete a monitor with its check-ins",
      tags: ["errors"],
      params: { type: "object", properties: params },
      response: { 204: { type: "null", description: "It is gone; one that goes on checking in is a new monitor." } },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      await deleteMonitor(dependencies, project.id, request.params.slug);
      return reply.code(204).send();
    },
  });

  app.get<{ Params: { id: number; slug: string }; Querystring: PageQuery & { environment?: string } }>(
    "/projects/:id/errors/monitors/:slug/check-ins",
    {
      config: { access: { scope: "errors:read" }, errors: [...errors, "invalid_cursor"] },
      schema: {
        summary: "List the check-ins of a monitor",
        tags: ["errors"],
        params: { type: "object", properties: params },
        querystring: {
          type: "object",
          properties: {
            environment: { type: "string", maxLength: 64, description: "Only of this one.", examples: ["production"] },
            ...pageParameters,
          },
        },
        response: { 200: listAnswer("Those that began last first.", checkInSchema, checkInExample) },
      },
      async handler(request, reply) {
        const { cursor, limit, environment } = request.query;
        const from = cursor === undefined ? undefined : decodeCursor(cursor, isCheckInPosition);
        const monitor = await visibleMonitor(request);
        const page = await listCheckIns(database, monitor.id, {
          limit,
          ...(environment === undefined ? {} : { environment }),
          ...(from === undefined ? {} : { from }),
        });
        linkPages(request, reply, limit, page);
        return page.items.map(showCheckIn);
      },
    },
  );
}

function toMonitorChange({
  schedule,
  checkin_margin_m: checkinMarginMinutes,
  max_runtime_m: maxRuntimeMinutes,
  timezone,
  failure_issue_threshold: failureIssueThreshold,
  recovery_threshold: recoveryThreshold,
}: ChangeBody): MonitorChange {
  return {
    ...(schedule === undefined ? {} : { schedule }),
    ...(checkinMarginMinutes === undefined ? {} : { checkinMarginMinutes }),
    ...(maxRuntimeMinutes === undefined ? {} : { maxRuntimeMinutes }),
    ...(timezone === undefined ? {} : { timezone }),
    ...(failureIssueThreshold === undefined ? {} : { failureIssueThreshold }),
    ...(recoveryThreshold === undefined ? {} : { recoveryThreshold }),
  };
}

function showMonitor({ slug, config, createdAtMs, lastCheckInAtMs, lastStatus }: Monitor) {
  return {
    slug,
    schedule: config?.schedule ?? null,
    ...(config === undefined
      ? {}
      : {
          checkin_margin_m: config.checkinMarginMinutes,
          max_runtime_m: config.maxRuntimeMinutes,
          timezone: config.timezone,
          failure_issue_threshold: config.failureIssueThreshold,
          recovery_threshold: config.recoveryThreshold,
        }),
    created_at: new Date(createdAtMs).toISOString(),
    last_check_in_at: timeText(lastCheckInAtMs),
    last_status: lastStatus ?? null,
  };
}

function showCheckIn(checkIn: StoredCheckIn) {
  return {
    id: checkIn.check_in_id,
    status: checkIn.status,
    environment: checkIn.environment,
    started_at: timeText(checkIn.started_at_ms),
    ended_at: timeText(checkIn.ended_at_ms ?? undefined),
    duration_s: checkIn.duration_ms === null ? null : checkIn.duration_ms / 1000,
    trace_id: checkIn.trace_id,
  };
}

function timeText(timeMs: number | undefined): string | null {
  return timeMs === undefined ? null : new Date(timeMs).toISOString();
}
