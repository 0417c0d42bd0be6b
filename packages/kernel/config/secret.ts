import { inspect } from "node:util";

const mask = "[secret]";

/**
 * Text that must not be seen. Whatever prints it (logs, JSON, templates, `console`) shows a mask;
 * only `reveal()` gives the text, at the one place that needs it.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
    Object.freeze(this);
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return mask;
  }

  toJSON(): string {
    return mask;
  }

  [inspect.custom](): string {
    return mask;
  }
}
