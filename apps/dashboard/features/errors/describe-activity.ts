/** One entry of an issue's history in words. */
export function describeActivity(entry: Readonly<Record<string, unknown>> & { readonly kind: string }): string {
  const { kind } = entry;
  const after = entry["after"];
  if (kind === "status") return statusText(String(after), entry);
  if (kind === "assigned") return after === null ? "assigned it to nobody" : `assigned it to ${String(after)}`;
  if (kind === "linked") return after === null ? "removed the link" : `linked ${String(after)}`;
  if (kind === "merged") return "merged issues";
  if (kind === "unmerged") return "took issues apart again";
  if (kind === "regressed") return "It came back";
  if (kind === "unmuted") return "It is not ignored any more, because the condition was met";
  return kind.replaceAll("_", " ");
}

function statusText(status: string, entry: Readonly<Record<string, unknown>>): string {
  const release = entry["release"] ?? readRelease(entry["resolution"]);
  if (status === "resolved") return release === undefined ? "resolved it" : `resolved it in ${String(release)}`;
  if (status === "ignored") return "ignored it";
  return "opened it again";
}

function readRelease(resolution: unknown): unknown {
  return typeof resolution === "object" && resolution !== null ? Reflect.get(resolution, "release") : undefined;
}
