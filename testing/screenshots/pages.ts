/** A page with what has to be there before its picture is taken. */
export interface PageToTake {
  readonly name: string;
  readonly path: string;
  /** Text that only a page with data shows. */
  readonly showing: string | RegExp;
  /** For the README, not only for a review. */
  readonly inReadme?: boolean;
}

type Ask = (path: string) => Promise<unknown>;

/** Every page of the dashboard, at addresses that the server's data has something for. */
export async function pagesToTake(ask: Ask): Promise<readonly PageToTake[]> {
  const project = text(first(await ask("/api/v1/projects")), "id");
  const issues = list(await ask(`/api/v1/projects/${project}/errors?status=unresolved&limit=50`));
  const issue = issues.find((row) => text(row, "name") === "TypeError") ?? issues[0];
  const { run, event } = await findStory(ask);
  const repositories = list(await ask("/api/v1/relay/repositories?limit=20"));
  // The first of its name is announced by its owner, who named the other maintainer.
  const repository = repositories.findLast((row) => text(row, "identifier") === "forge") ?? repositories[0];
  const peers = list(await ask("/api/v1/relay/peers?limit=20"));
  const peer = peers.find((row) => text(row, "historic_sync_completed") === "true");
  if (peer === undefined) throw new Error("No relay is in sync yet.");
  const experience = text(run, "covered_experience_id");
  const correlation = text(run, "correlation_id");
  const npub = text(repository, "npub");
  const identifier = text(repository, "identifier");
  return [
    { name: "overview", path: "/overview", showing: /timed out/, inReadme: true },
    { name: "errors", path: `/projects/${project}/errors`, showing: "TypeError" },
    {
      name: "issue",
      path: `/projects/${project}/errors/${text(issue, "fingerprint")}`,
      showing: "What else happened",
      inReadme: true,
    },
    { name: "experiences", path: "/experiences?range=1h", showing: experience },
    { name: "experience", path: `/experiences/${experience}?range=15m`, showing: "Definition", inReadme: true },
    { name: "runs", path: "/experiences/runs", showing: experience },
    {
      name: "run",
      path: `/experiences/runs/${experience}/${correlation}/${text(run, "run")}`,
      showing: "TypeError: The configuration of the pipeline has no stages",
    },
    { name: "timeline", path: `/timeline/${correlation}`, showing: "Why it failed", inReadme: true },
    { name: "queues", path: "/events/queues", showing: "update_head_pipeline" },
    { name: "dead-letters", path: "/events/dead", showing: "attempts" },
    { name: "event-log", path: "/events/log", showing: "ci.pipeline_created" },
    { name: "intake", path: `/projects/${project}/ledger`, showing: "sentry.javascript.node" },
    { name: "releases", path: `/projects/${project}/releases`, showing: "forge@1.4.2" },
    { name: "graph", path: "/events/graph?node=event%20ci.pipeline_created", showing: "pipeline_finished" },
    { name: "catalogue", path: "/events/catalogue?type=ci.pipeline_finished", showing: "git push" },
    { name: "event", path: `/events/${event}`, showing: "Who got it" },
    { name: "relays", path: "/relays/peers", showing: text(peer, "url") },
    {
      name: "relay",
      path: `/relays/peers/${encodeURIComponent(text(peer, "url"))}?range=15m`,
      showing: "syncing → connected",
    },
    { name: "repositories", path: "/relays/repositories", showing: identifier },
    { name: "repository", path: `/relays/repositories/${npub}/${identifier}`, showing: "Maintainers" },
    { name: "timeline-search", path: "/timeline", showing: "Correlation id" },
    { name: "settings", path: `/projects/${project}/settings`, showing: "DSN" },
  ];
}

/** A journey that timed out, and the event whose handling failed in it. */
async function findStory(ask: Ask): Promise<{ readonly run: object; readonly event: string }> {
  const { runs } = (await ask("/api/v1/experience/runs?state=timed_out&limit=20")) as { readonly runs: unknown };
  for (const run of list(runs)) {
    const { entries } = (await ask(`/api/v1/timeline/${text(run, "correlation_id")}`)) as { readonly entries: unknown };
    const event = list(entries).find((entry) => text(entry, "kind") === "event");
    if (event === undefined) continue;
    return { run, event: text(event, "link").split("/").at(-1) ?? "" };
  }
  throw new Error("No journey has timed out yet.");
}

function first(value: unknown): object {
  const [row] = list(value);
  if (row === undefined) throw new Error("The server has nothing to show yet.");
  return row;
}

function list(value: unknown): readonly object[] {
  return Array.isArray(value) ? value.filter((row): row is object => typeof row === "object" && row !== null) : [];
}

function text(row: object | undefined, name: string): string {
  return row === undefined ? "" : String(Reflect.get(row, name) ?? "");
}
