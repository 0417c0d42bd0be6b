import { errorCode } from "../errors.js";
import { maskCredentials } from "../mask-credentials.js";
import { parseUrl, type UrlOptions, urlForm } from "./scalar-settings.js";
import { Secret } from "./secret.js";
import { type CommonOptions, defineSetting, type Present, type Setting } from "./setting.js";

export interface SecretOptions extends CommonOptions {
  readonly default?: never;
  readonly minLength?: number;
}

/** Text that is never shown. `file:PATH` takes it from a file, without one newline at the end. */
export function secret<const Options extends SecretOptions>(
  options: Options,
): Setting<Present<Options, Secret>, "secret"> {
  const { minLength = 1 } = options;
  return defineSecret(options, {
    type: "secret",
    expected: `${minLength > 1 ? `at least ${minLength} characters` : "text"}, or file:PATH`,
    accepts: (text) => text.length >= minLength,
    format: String,
  });
}

export interface SecretUrlOptions extends UrlOptions {
  readonly default?: never;
}

/** A URL that may hold a password: shown without its credentials and query. `file:PATH` takes it from a file. */
export function secretUrl<const Options extends SecretUrlOptions>(
  options: Options,
): Setting<Present<Options, Secret>, "secret"> {
  return defineSecret(options, {
    type: "URL, secret",
    expected: `${urlForm(options.protocols)}, or file:PATH`,
    accepts: (text) => parseUrl(text, options.protocols) !== undefined,
    format: (value) => maskCredentials(value.reveal()).replace(/[?#].*$/, "?***"),
  });
}

interface SecretForm {
  readonly type: string;
  readonly expected: string;
  accepts(text: string): boolean;
  format(value: Secret): string;
}

const filePrefix = "file:";

function defineSecret<const Options extends CommonOptions>(
  options: Options,
  { type, expected, accepts, format }: SecretForm,
): Setting<Present<Options, Secret>, "secret"> {
  return defineSetting(options, {
    kind: "secret",
    type,
    expected,
    secret: true,
    format,
    read(raw, reader) {
      if (typeof raw !== "string" || !raw.startsWith(filePrefix)) {
        if (typeof raw === "string" && accepts(raw)) return new Secret(raw);
        reader.report({ expected, value: String(new Secret("")) });
        return undefined;
      }
      // The path of a reference is no secret, and shows which file to mend.
      const value = JSON.stringify(raw);
      try {
        const text = reader.readReference(raw.slice(filePrefix.length));
        if (accepts(text)) return new Secret(text);
        reader.report({ expected: `a file that holds ${expected.replace(/, or file:PATH$/, "")}`, value });
      } catch (error) {
        reader.report({ expected: `a readable file (${errorCode(error) ?? "unreadable"})`, value });
      }
      return undefined;
    },
  });
}
