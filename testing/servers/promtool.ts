import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findServer } from "./find-server.js";

export interface PromtoolResult {
  readonly code: number;
  readonly output: string;
}

/** One test of `promtool test rules`. */
export interface RulesTest {
  readonly name?: string;
  readonly interval: string;
  readonly input_series: readonly { readonly series: string; readonly values: string }[];
  readonly alert_rule_test?: readonly {
    readonly eval_time: string;
    readonly alertname: string;
    readonly exp_alerts?: readonly object[];
  }[];
  readonly promql_expr_test?: readonly {
    readonly expr: string;
    readonly eval_time: string;
    readonly exp_samples?: readonly { readonly labels: string; readonly value: number }[];
  }[];
}

/** What `promtool check rules` says of a rules file. */
export function checkRules(rules: string): Promise<PromtoolResult> {
  return inFolder({ "rules.yml": rules }, ["check", "rules", "--lint-fatal", "rules.yml"]);
}

/** What `promtool check config` says of a configuration. */
export function checkConfig(config: string): Promise<PromtoolResult> {
  return inFolder({ "prometheus.yml": config }, ["check", "config", "prometheus.yml"]);
}

/** Runs the rules over made-up series. */
export function testRules(
  rules: string,
  tests: readonly RulesTest[],
  evaluationInterval = "30s",
): Promise<PromtoolResult> {
  // Otherwise their order is another one each time.
  const groups = [...rules.matchAll(/^ {2}- name: (.+)$/gm)].map(([, name]) => name);
  // JSON is YAML.
  const file = JSON.stringify({
    rule_files: ["rules.yml"],
    evaluation_interval: evaluationInterval,
    group_eval_order: groups,
    tests,
  });
  return inFolder({ "rules.yml": rules, "test.yml": file }, ["test", "rules", "test.yml"]);
}

async function inFolder(files: Readonly<Record<string, string>>, args: readonly string[]): Promise<PromtoolResult> {
  const directory = await mkdtemp(join(tmpdir(), "promtool-"));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    return await new Promise((resolve) => {
      execFile(
        findServer("promtool") ?? "promtool",
        args,
        { cwd: directory, maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr }),
      );
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
