import { startClickHouseHttp } from "@signalbox/testing/servers";
import { describe, expect, test } from "vitest";
import { useErrorsApi } from "../testing/errors-api.js";
import { errorPayload } from "../testing/received-event.js";

const api = useErrorsApi(startClickHouseHttp);
const { errors, only } = api;

describe("projects", () => {
  test("settings are saved, used for the next events and shown", async () => {
    const project = await api.kit.newProject();
    const url = `/api/v1/projects/${project}`;
    const settings = {
      scrubbing: { sensitive_names: ["customer"], scrub_emails: true },
      fingerprint_rules: 'type:ValueError -> "one kind of value"',
      retention_days: 30,
    };
    const saved = await api.kit.call("PATCH", url, { name: "Shop 2", settings });
    expect(saved.json()).toMatchObject({ name: "Shop 2", settings: { ...settings, scrubbing: { enabled: true } } });
    await api.kit.store(
      project,
      [errorPayload("a", { extra: { customer: "c", mail: "a@example.com" } })],
      [errorPayload("b")],
    );
    const { url: error } = await only(project);
    expect((await api.kit.call("GET", error)).json()).toMatchObject({ event_count: 2 });
    const events = (await api.kit.call("GET", `${error}/events`)).json();
    expect(events.map((event: { payload: string }) => JSON.parse(event.payload).extra)).toContainEqual({
      customer: "[Filtered]",
      mail: "[email]",
    });
    const refused = await api.kit.call("PATCH", url, { settings: { stack_rules: "function:a\nfunction:b +app\nx" } });
    expect([refused.statusCode, refused.json()]).toMatchObject([422, { code: "ET_RULE_INVALID" }]);
    expect(refused.body).toContain("Line 1, column 11");
    expect((await api.kit.call("GET", url)).json()).toMatchObject({
      settings: { stack_rules: "", retention_days: 30 },
    });
    expect((await api.kit.call("PATCH", url, { settings: { retention_days: 31 } })).statusCode).toBe(400);
  });

  test("ET-176 what scrubbing does is shown without keeping anything", async () => {
    const project = await api.kit.newProject();
    const answer = await api.kit.call("POST", `/api/v1/projects/${project}/errors/scrub-preview`, {
      event: { extra: { password: "hunter2", note: "order 17" } },
      scrubbing: { rules: [{ pattern: "17", method: "mask" }] },
    });
    expect(answer.json().event).toMatchObject({ extra: { password: "[Filtered]", note: "order **" } });
    expect(await errors(project)).toEqual([]);
  });

  test("keys are made, disabled, rotated and deleted", async () => {
    const project = await api.kit.newProject();
    const url = `/api/v1/projects/${project}/keys`;
    const made = (await api.kit.call("POST", url, { label: "Mobile" })).json();
    expect(made).toMatchObject({ label: "Mobile", active: true, dsn: expect.stringContaining(made.public_key) });
    expect((await api.kit.call("PATCH", `${url}/${made.id}`, { active: false })).json()).toMatchObject({
      active: false,
    });
    const rotated = await api.kit.call("POST", `${url}/${made.id}/rotate`, {});
    expect([rotated.statusCode, rotated.json().label]).toEqual([201, "Mobile"]);
    const keys: { id: number; expires_at: string | null }[] = (await api.kit.call("GET", url)).json();
    expect(keys).toHaveLength(3);
    const old = keys.find(({ id }) => id === made.id);
    expect(Date.parse(old?.expires_at ?? "") - Date.now()).toBeGreaterThan(23 * 3_600_000);
    for (const { id } of keys.slice(1)) expect((await api.kit.call("DELETE", `${url}/${id}`)).statusCode).toBe(204);
    expect((await api.kit.call("DELETE", `${url}/${keys[0]?.id}`)).statusCode).toBe(409);
    expect((await api.kit.call("DELETE", `${url}/${made.id}`)).statusCode).toBe(404);
    expect((await api.kit.call("GET", url, undefined, "only 1")).statusCode).toBe(404);
  });

  test("GitLab's forms of settings and client keys, also with its own header for the token", async () => {
    const project = await api.kit.newProject();
    const base = `/api/v4/projects/${project}/error_tracking`;
    const settings = { active: true, project_name: "Shop", sentry_external_url: null, api_url: null, integrated: true };
    expect((await api.kit.call("GET", `${base}/settings`)).json()).toEqual(settings);
    const off = await api.kit.call("PATCH", `${base}/settings?active=false`, { integrated: true });
    expect([off.statusCode, off.json()]).toEqual([200, { ...settings, active: false }]);
    const made = await api.kit.app.inject({
      method: "POST",
      url: `${base}/client_keys`,
      headers: { "private-token": "all" },
    });
    expect([made.statusCode, made.json()]).toMatchObject([
      201,
      { active: true, public_key: expect.stringMatching(/^glet_[0-9a-f]{32}$/), sentry_dsn: expect.any(String) },
    ]);
    expect((await api.kit.call("GET", `${base}/client_keys`)).json()).toHaveLength(2);
    expect((await api.kit.call("DELETE", `${base}/client_keys/${made.json().id}`)).statusCode).toBe(204);
    expect((await api.kit.app.inject({ url: `${base}/client_keys` })).statusCode).toBe(401);
  });
});
