import type { LogEntry } from "../../digest/error-event.js";
import type { Component } from "../grouping.js";
import { leaf } from "./component.js";
import { parameterise } from "./parameterise.js";

const maxMessage = 1024;

/** What a message is grouped by: its template where there is one, without what varies. */
export function messageComponent(logentry: LogEntry | undefined): Component {
  const sent = logentry?.message ?? logentry?.formatted;
  return textComponent("message", sent);
}

/** Free text as a token: the first two lines that hold something, parameterised. */
export function textComponent(name: string, sent: string | undefined): Component {
  if (sent === undefined) return leaf(name, undefined);
  const head = firstLines(sent, 2).slice(0, maxMessage);
  return leaf(name, parameterise(head), { original: head });
}

function firstLines(text: string, maxLines: number): string {
  const kept: string[] = [];
  for (const line of text.split(/\r?\n/, 50)) {
    if (line.trim() !== "") kept.push(line.trim());
    if (kept.length === maxLines) break;
  }
  return kept.join("\n");
}
