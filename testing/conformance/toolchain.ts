import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { promisify } from "node:util";

const runFile = promisify(execFile);

/** Programs that must be there, each with an argument that makes it end at once. */
export type NeededPrograms = readonly (readonly [program: string, argument: string])[];

/** Whether all programs are there. */
export async function hasPrograms(needs: NeededPrograms): Promise<boolean> {
  const found = await Promise.all(
    needs.map(([program, argument]) =>
      runFile(program, [argument]).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.every(Boolean);
}

/** Resolves with what the program wrote. `env` comes on top of this process's own. */
export async function run(
  program: string,
  args: readonly string[],
  cwd?: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { stdout } = await runFile(program, args, {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 ** 2,
  });
  return stdout.trim();
}

export async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
