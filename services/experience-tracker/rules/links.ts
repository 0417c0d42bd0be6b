import { literally } from "./text.js";

/** Pages of the dashboard that somebody who is called should open. */
export function experienceLinks(publicUrl: string | undefined, id: string, runs: "failed" | "finished" | "open") {
  return linksTo(publicUrl, `/experiences/${id}`, `/experiences/runs?state=${runs}&experience=${id}`);
}

export function trackerLinks(publicUrl: string | undefined) {
  return linksTo(publicUrl, "/experiences", "/experiences/runs?state=stale");
}

function linksTo(publicUrl: string | undefined, page: string, runs: string): Readonly<Record<string, string>> {
  if (publicUrl === undefined) return {};
  const server = literally(publicUrl);
  return { runbook_url: `${server}${runs}`, dashboard_url: `${server}${page}` };
}
