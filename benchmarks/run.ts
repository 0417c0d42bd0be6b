import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { reportLine } from "./harness.js";
import { benchmarks } from "./index.js";

// npm run bench [-- NAME… [--keep]]: prints one JSON line for each figure; --keep also writes them to results/<date>.jsonl.
// npm run bench -- --list: prints the names.
const usage = "npm run bench -- [NAME…] [--keep] | --list";
const known = Object.keys(benchmarks);

async function run(name: string, keep: boolean): Promise<void> {
  const benchmark = await benchmarks[name]?.();
  const lines: string[] = [];
  await benchmark?.run((measurement) => {
    const line = JSON.stringify(reportLine(name, measurement, Date.now()));
    lines.push(line);
    process.stdout.write(`${line}\n`);
  });
  if (!keep) return;
  const results = join(process.cwd(), "benchmarks/results/");
  await mkdir(results, { recursive: true });
  await appendFile(`${results}${new Date().toISOString().slice(0, 10)}.jsonl`, `${lines.join("\n")}\n`);
}

const asked = process.argv.slice(2);
const names = asked.filter((argument) => !argument.startsWith("--"));
const unknownOptions = asked.filter(
  (argument) => argument.startsWith("--") && !["--keep", "--list"].includes(argument),
);
const unknown = names.filter((name) => !known.includes(name));

if (unknownOptions.length > 0 || unknown.length > 0) {
  const faults = [
    ...unknownOptions.map((option) => `Unknown option ${option}: ${usage}`),
    ...unknown.map((name) => `Unknown benchmark ${name}. There are: ${known.join(", ")}`),
  ];
  process.stderr.write(`${faults.join("\n")}\n`);
  process.exitCode = 2;
} else if (asked.includes("--list")) {
  process.stdout.write(`${known.join("\n")}\n`);
} else {
  const keep = asked.includes("--keep");
  for (const name of known) if (names.length === 0 || names.includes(name)) await run(name, keep);
}
