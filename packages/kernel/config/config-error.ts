import { SignalboxError } from "../errors.js";
import { kernelErrors } from "../kernel-errors.js";

/** One thing that is wrong with the configuration. */
export interface ConfigProblem {
  /** Path of the key: `http.listen`, `auth.issuers[0].issuer`; empty when the file as a whole is at fault. */
  readonly key: string;
  /** Where it was found: `signalbox.yaml:12`, `SIGNALBOX_LISTEN`, `--listen`. */
  readonly source: string;
  /** What was found, for a person's eyes; absent for unknown keys, secrets and what is missing. */
  readonly value?: string;
  /** A sentence without full stop: what would be right. */
  readonly expected: string;
  /** Under which a system lists this problem among its errors, where it does. */
  readonly code?: string;
}

/** `CONFIG_INVALID`, or the code of its only problem. Holds every problem of every source at once. */
export class ConfigError extends SignalboxError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    const [first, second] = problems;
    const code = (second ? undefined : first?.code) ?? "CONFIG_INVALID";
    super(code, kernelErrors.entries.CONFIG_INVALID, {
      message: [`The configuration is not valid (${count}):`, ...problems.map(describeProblem)].join("\n"),
      details: { problems },
    });
    this.problems = problems;
  }
}

function describeProblem({ key, source, value, expected, code }: ConfigProblem): string {
  const subject = key === "" || key === source ? source : `${source}: ${key}`;
  return `- ${subject}${value === undefined ? "" : ` is ${value}`}: ${expected}${code === undefined ? "" : ` (${code})`}`;
}
