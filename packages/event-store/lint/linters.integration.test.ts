import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Case, type RuleCases, settings as sharedSettings } from "./cases/case.js";
import { definitionCases } from "./cases/definitions.js";
import { typescriptCases } from "./cases/typescript.js";
import { useCases } from "./cases/uses.js";

const require = createRequire(import.meta.url);
const home = fileURLToPath(new URL("../", import.meta.url));

/** A finding as every linter tells it. */
interface Finding {
  readonly file: string;
  readonly rule: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** A file of a project, with the one rule that is tried on it. */
interface Sample {
  readonly rule: string;
  readonly folder: string;
  readonly file: string;
  readonly code: string;
  readonly options: readonly object[];
  readonly errors: readonly string[];
}

/** Samples that share the settings of a linter. */
class Project {
  readonly root = mkdtempSync(join(tmpdir(), "event-store-lint-"));
  readonly samples: Sample[] = [];
  readonly #settings: object;

  constructor(settings: object) {
    this.#settings = settings;
    // The built package, found by its name.
    mkdirSync(join(this.root, "node_modules/@signalbox"), { recursive: true });
    symlinkSync(home, join(this.root, "node_modules/@signalbox/event-store"));
  }

  add(rule: string, { code, filename = "file.js", options = [] }: Case, errors: readonly string[]): void {
    const folder = `case-${this.samples.length}`;
    const sample = { rule, folder, file: `${folder}/${filename}`, code, options, errors };
    mkdirSync(dirname(join(this.root, sample.file)), { recursive: true });
    writeFileSync(join(this.root, sample.file), code);
    this.samples.push(sample);
  }

  get expected(): readonly string[] {
    return this.samples.flatMap(({ file, rule, errors }) => errors.map((message) => `${file} ${rule} ${message}`));
  }

  async eslint(version: "eslint" | "eslint-9"): Promise<readonly Finding[]> {
    const settings = JSON.stringify(this.#settings);
    const entries = this.samples.map(({ folder, rule, options }) =>
      JSON.stringify({ files: [`${folder}/**`], rules: { [`event-store/${rule}`]: ["error", ...options] } }),
    );
    writeFileSync(
      join(this.root, "eslint.config.mjs"),
      `import plugin from "@signalbox/event-store/lint";
export default [{ plugins: { "event-store": plugin }, settings: ${settings} }, ${entries.join(",\n")}];`,
    );
    const program = join(dirname(require.resolve(`${version}/package.json`)), "bin/eslint.js");
    const output = await run(this.root, [program, "--format", "json", ...this.#folders()]);
    const results: EslintResult[] = JSON.parse(output);
    return results.flatMap(({ filePath, messages }) =>
      messages.map(({ ruleId, line, column, message }) => ({
        file: relative(this.root, filePath).split(sep).join("/"),
        rule: (ruleId ?? "").replace("event-store/", ""),
        line,
        column,
        message,
      })),
    );
  }

  async oxlint(): Promise<readonly Finding[]> {
    writeFileSync(
      join(this.root, ".oxlintrc.json"),
      JSON.stringify({
        jsPlugins: ["@signalbox/event-store/lint"],
        plugins: [],
        categories: { correctness: "off" },
        settings: this.#settings,
        overrides: this.samples.map(({ folder, rule, options }) => ({
          files: [`${folder}/**`],
          rules: { [`event-store/${rule}`]: ["error", ...options] },
        })),
      }),
    );
    const program = join(dirname(require.resolve("oxlint/package.json")), "bin/oxlint");
    const output = await run(this.root, [program, "-c", ".oxlintrc.json", "--format", "json", ...this.#folders()]);
    const { diagnostics }: { readonly diagnostics: OxlintDiagnostic[] } = JSON.parse(output);
    return diagnostics.map(({ message, code, filename, labels: [label] }) => ({
      file: filename.split(sep).join("/"),
      rule: code.replace(/^event-store\((.*)\)$/, "$1"),
      line: label?.span.line ?? 0,
      column: label?.span.column ?? 0,
      message,
    }));
  }

  #folders(): string[] {
    return this.samples.map(({ folder }) => folder);
  }
}

interface EslintResult {
  readonly filePath: string;
  readonly messages: readonly {
    readonly ruleId: string | null;
    readonly line: number;
    readonly column: number;
    readonly message: string;
  }[];
}

interface OxlintDiagnostic {
  readonly message: string;
  readonly code: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number; readonly column: number } }[];
}

async function run(cwd: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      // 1: there are findings.
      if (error && error.code !== 1) reject(new Error(stderr + stdout, { cause: error }));
      else resolve(stdout);
    });
  });
}

/** Each case stands in a folder of its own, so every glob begins one folder further up. */
function oneFolderDeeper(settings: object): object {
  const text = JSON.stringify(settings).replace(/"((?:modules|ee)\/[^"]*)"/g, '"*/$1"');
  return JSON.parse(text.replace('"lint/cases/manifest.json"', JSON.stringify(join(home, "lint/cases/manifest.json"))));
}

const projects = new Map<string, Project>();

function addAll(rules: Readonly<Record<string, RuleCases>>): void {
  for (const [rule, { valid, invalid }] of Object.entries(rules)) {
    for (const one of [...valid.map((sample) => ({ ...sample, errors: [] })), ...invalid]) {
      const settings = oneFolderDeeper(one.settings ?? sharedSettings);
      const key = JSON.stringify(settings);
      const project = projects.get(key) ?? new Project(settings);
      projects.set(key, project);
      project.add(rule, one, one.errors);
    }
  }
}

beforeAll(() => {
  addAll({ ...definitionCases, ...useCases });
});
afterAll(() => {
  for (const { root } of projects.values()) rmSync(root, { recursive: true, force: true });
});

function inOrder(findings: readonly Finding[]): Finding[] {
  const place = ({ file, line, column, message }: Finding): string =>
    [file, String(line).padStart(4), String(column).padStart(4), message].join(" ");
  return [...findings].sort((left, right) => (place(left) < place(right) ? -1 : 1));
}

function told(findings: readonly Finding[]): string[] {
  return findings.map(({ file, rule, message }) => `${file} ${rule} ${message}`).sort();
}

describe("the plugin in the linters' own programs", () => {
  test("ES-370 eslint 10, eslint 9 and oxlint find the same in the same places, and what is expected", async () => {
    expect(projects.size).toBe(4);
    for (const project of projects.values()) {
      const expected = [...project.expected].sort();
      const eslint = await project.eslint("eslint");
      const eslint9 = await project.eslint("eslint-9");
      const oxlint = await project.oxlint();
      expect(told(eslint)).toEqual(expected);
      expect(inOrder(eslint9)).toEqual(inOrder(eslint));
      expect(inOrder(oxlint)).toEqual(inOrder(eslint));
    }
  });

  test("ES-370 each rule fires in both programs", () => {
    const rules = new Set(
      [...projects.values()].flatMap(({ samples }) =>
        samples.filter(({ errors }) => errors.length > 0).map(({ rule }) => rule),
      ),
    );
    expect(rules.size).toBe(16);
  });

  test("ES-370 oxlint reads TypeScript, and what only TypeScript says is understood", async () => {
    const project = new Project(oneFolderDeeper(sharedSettings));
    projects.set("typescript", project);
    for (const [rule, { valid, invalid }] of Object.entries(typescriptCases)) {
      for (const one of valid) project.add(rule, { filename: "file.ts", ...one }, []);
      for (const one of invalid) project.add(rule, { filename: "file.ts", ...one }, one.errors);
    }
    expect(told(await project.oxlint())).toEqual([...project.expected].sort());
  });
});
