import { asText, type EventRequest, pairsOf } from "./event-payload.js";

const droppedHeaders = new Set(["host", "content-length", "connection", "accept-encoding"]);

/** The request of an event as a command that sends it again; undefined without an address. */
export function asCurl({ url, method = "GET", headers, query_string: query, data }: EventRequest): string | undefined {
  if (url === undefined || url === "") return undefined;
  const address = typeof query === "string" && query !== "" && !url.includes("?") ? `${url}?${query}` : url;
  // Named, so that an address that begins with a dash is no option.
  const parts = ["curl", ...(method === "GET" ? [] : ["-X", quoted(method)]), "--url", quoted(address)];
  for (const [name, value] of pairsOf(headers))
    if (!droppedHeaders.has(name.toLowerCase())) parts.push(`\\\n  -H ${quoted(`${name}: ${value}`)}`);
  if (data !== undefined && data !== null && data !== "") parts.push(`\\\n  --data-raw ${quoted(asText(data))}`);
  return parts.join(" ");
}

/** For a POSIX shell: nothing inside has a meaning, whatever an event brings. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
