import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { reportLine } from "./harness.js";
import { benchmarks } from "./index.js";

// npm run bench [-- NAME… [--keep]]: prints one JSON line for each figure; --keep also writes them to results/<date>.jsonl.
const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const keep = process.argv.includes("--keep");
const unknown = names.filter((name) => !(name in benchmarks));

if (unknown.length > 0) {
  process.stderr.write(`Unknown benchmark: ${unknown.join(", ")}. There are: ${Object.keys(benchmarks).join(", ")}\n`);
  process.exitCode = 2;
} else {
  const results = join(process.cwd(), "benchmarks/results/");
  for (const [name, load] of Object.entries(benchmarks)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const benchmark = await load();
    const lines: string[] = [];
    await benchmark.run((measurement) => {
      const line = JSON.stringify(reportLine(name, measurement, Date.now()));
      lines.push(line);
      process.stdout.write(`${line}\n`);
    });
    if (keep) {
      await mkdir(results, { recursive: true });
      await appendFile(`${results}${new Date().toISOString().slice(0, 10)}.jsonl`, `${lines.join("\n")}\n`);
    }
  }
}
