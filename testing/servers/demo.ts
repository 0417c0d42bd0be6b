import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserOptions, startBrowser, type TestBrowser } from "./browser.js";
import { installSignalbox, type SignalboxServer } from "./signalbox.js";

const forge = fileURLToPath(
  new URL(import.meta.url.includes("/dist/") ? "../../../examples/forge/" : "../../examples/forge/", import.meta.url),
);
const patienceMs = 60_000;

/** A server with the example forge in it, as `npm run demo` has it, on data and ports of its own. */
export interface Demo {
  readonly server: SignalboxServer;
  readonly url: string;
  /** May do everything. */
  readonly token: string;
  /** Of the forge's project, whose id is 1. */
  readonly dsn: string;
  /** A token with this scope alone. */
  createToken(scope: string): Promise<string>;
  /** The answer of the API, parsed. */
  ask(path: string): Promise<unknown>;
  /** A browser in which somebody has logged in, on the overview. */
  openBrowser(options?: BrowserOptions): Promise<TestBrowser>;
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
}

/** `directory` is the demo's own; it is removed in the end. */
export async function startDemo(directory: string, env: Readonly<Record<string, string>> = {}): Promise<Demo> {
  const installation = await installSignalbox({
    dataDirectory: join(directory, "data"),
    env: {
      SIGNALBOX_EXPERIENCE_DEFINITIONS: join(forge, "experiences"),
      // The neighbour of the forge's relay is on this machine.
      SIGNALBOX_RELAY_SYNC_ALLOW_PRIVATE_TARGETS: "true",
      ...env,
    },
    flags: ["--quiet", "--log-level", "warn", "--app", join(forge, "dist", "index.js")],
  });
  const createToken = async (scope: string): Promise<string> =>
    readText(await installation.command("token", "create", "--scope", scope), "token");
  const token = await createToken("admin");
  const dsn = readText(await installation.command("project", "create", "forge"), "dsn");
  Object.assign(installation.env, { FORGE_TOKEN: await createToken("experience:write"), FORGE_DSN: dsn });
  const server = await installation.start();
  const { url } = server;
  return {
    server,
    url,
    token,
    dsn,
    createToken,
    async ask(path) {
      const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } });
      if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
      return answer.json();
    },
    async openBrowser(options) {
      const browser = await startBrowser(options);
      try {
        browser.page.setDefaultTimeout(patienceMs);
        await logIn(browser, url, token);
      } catch (error) {
        await browser.close();
        throw error;
      }
      return browser;
    },
    async stop() {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** As a person does. */
export async function logIn({ page }: Pick<TestBrowser, "page">, url: string, token: string): Promise<void> {
  await page.goto(`${url}/overview`);
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
}

function readText(value: unknown, name: string): string {
  const text: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
  if (typeof text !== "string") throw new Error(`no ${name} in ${JSON.stringify(value)}`);
  return text;
}
