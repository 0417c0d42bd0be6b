import type { Terminal } from "./commands/command.js";

/** Control characters, and those that change the direction of the text around them. */
const commandsToTerminals = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

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
    character === "\n" || character === "\t"
      ? character
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
