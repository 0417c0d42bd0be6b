import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "./build.mjs";
import { buildDashboard } from "./build-dashboard.mjs";
import { ensurePackages } from "./install-packages.mjs";
import { runCommand } from "./run-command.mjs";
import { supervise } from "./supervise.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const program = join(root, "apps", "server", "dist", "main.js");
const forge = join(root, "examples", "forge");

const env = {
  SIGNALBOX_DATA_DIR: join(root, "data", "demo"),
  SIGNALBOX_EXPERIENCE_DEFINITIONS: join(forge, "experiences"),
  // The neighbour of the forge's relay is on this machine.
  SIGNALBOX_RELAY_SYNC_ALLOW_PRIVATE_TARGETS: "true",
  // What fails in the forge is meant to be seen in the dashboard; lines about it would bury the token.
  SIGNALBOX_LOG_LEVEL: "silent",
  UV_THREADPOOL_SIZE: "8",
  ...process.env,
};

/**
 * What a command of the program prints as JSON.
 *
 * @param {readonly string[]} args
 */
async function ask(...args) {
  const { exitCode, output } = await runCommand(process.execPath, [program, ...args, "--json"], { cwd: root, env });
  if (exitCode !== 0) throw new Error(output.trimEnd());
  return JSON.parse(output);
}

try {
  await ensurePackages(root);
  await build(root, join("apps", "server"));
  await build(root, join("examples", "forge"));
  await buildDashboard(root);
  const producer = await ask("token", "create", "--scope", "experience:write", "--ttl", "30d", "--name", "forge");
  const person = await ask("token", "create", "--scope", "admin", "--ttl", "1d", "--name", "demo");
  const [project] = await ask("project", "list");
  const { dsn } = project ?? (await ask("project", "create", "forge"));
  process.exitCode = await supervise({
    command: process.execPath,
    args: [program, "serve", "--app", join(forge, "dist", "index.js"), ...process.argv.slice(2)],
    env: { ...env, FORGE_TOKEN: producer.token, FORGE_DSN: dsn },
    // Below everything else, where whoever waits for the dashboard looks.
    onFirstReady: () =>
      console.error(`Log in to the dashboard with this token, which is good for a day:\n\n${person.token}\n`),
    say: (line) => console.error(line),
  });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
