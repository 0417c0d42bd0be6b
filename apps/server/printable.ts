import type { Terminal } from "./commands/command.js";

/**
 * Control characters, those that change the direction of the text around them, and those that nobody sees: with them two
 * texts that differ look the same. The joiners U+200C and U+200D stay, which Persian and emoji are written with.
 */
const commandsToTerminals =
  /[\p{Cc}\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** A terminal on which what senders and peers wrote is only text: nothing of it moves the cursor, recolours or hides. */
export function guardTerminal(terminal: Terminal): Terminal {
  const { confirm } = terminal;
  return {
    ...terminal,
    out: (line) => terminal.out(printable(line)),
    err: (line) => terminal.err(printable(line)),
    ...(confirm && { confirm: (question) => confirm(printable(question)) }),
  };
}

/** The text with such characters written as in JSON, so that JSON stays what it was. Line breaks and tabs are left. */
export function printable(text: string): string {
  return text.replace(commandsToTerminals, (character) =>
    character === "\n" || character === "\t" ? character : escaped(character),
  );
}

/** A value that stands in a line or a column of its own: what comes after it cannot be made to look like ours. */
export function oneLine(text: string): string {
  return printable(text).replaceAll("\n", "\\n").replaceAll("\t", "\\t");
}

function escaped(character: string): string {
  return character.replace(/./gs, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
