import { KernelError } from "../kernel-errors.js";

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
}

/** `CONFIG_INVALID`. Holds every problem of every source at once. */
export class ConfigError extends KernelError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super("CONFIG_INVALID", {
      message: [`The configuration is not valid (${count}):`, ...problems.map(describeProblem)].join("\n"),
      details: { problems },
    });
    this.problems = problems;
  }
}

function describeProblem({ key, source, value, expected }: ConfigProblem): string {
  const subject = key === "" || key === source ? source : `${source}: ${key}`;
  return `- ${subject}${value === undefined ? "" : ` is ${value}`}: ${expected}`;
}
