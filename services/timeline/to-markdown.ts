import type { Timeline } from "./gather-timeline.js";

/** A timeline as a document, for tickets and chats. */
export function toMarkdown({ correlationIds, entries, sources }: Timeline): string {
  const [correlationId = "", ...aliases] = correlationIds;
  const hidden = sources.reduce((sum, source) => sum + source.hidden, 0);
  const incomplete = sources.filter(({ state }) => state !== "complete");
  const lines = [
    `# Timeline of ${code(correlationId)}`,
    "",
    ...(aliases.length > 0 ? [`Also known as ${aliases.map(code).join(", ")}.`, ""] : []),
    ...incomplete.map(({ name, state }) => `- ${name}: ${state}`),
    ...(hidden > 0 ? [`- ${hidden} entries are not visible to you`] : []),
    ...(incomplete.length > 0 || hidden > 0 ? [""] : []),
    ...entries.flatMap(({ explanation }) => (explanation === undefined ? [] : [`${plainText(explanation.text)}.`, ""])),
    "| time | what | title | status | took | where |",
    "| --- | --- | --- | --- | --- | --- |",
    ...entries.map(({ atMs, kind, title, status, durationMs, link }) =>
      row([
        new Date(atMs).toISOString(),
        kind,
        plainText(title),
        plainText(status),
        durationMs === undefined ? "" : `${Math.round(durationMs) / 1_000} s`,
        link === undefined ? "" : code(link),
      ]),
    ),
  ];
  return `${lines.join("\n")}\n`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function code(text: string): string {
  return `\`${text.replaceAll("`", "'").replaceAll("|", "\\|")}\``;
}

/** Titles come from events: nothing in them may become a link, a picture, HTML or another cell. */
function plainText(text: string): string {
  return text.replaceAll(/[\r\n]+/g, " ").replaceAll(/[\\`*_{}[\]()#+!|<>~&]/g, (sign) => `\\${sign}`);
}
