import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { installSignalbox } from "../servers/signalbox.js";
import { pagesToTake } from "./pages.js";
import { type Looks, takePictures } from "./take.js";

// Takes pictures of the dashboard's pages with the demo's data.
//   (nothing)            those of the README, into docs/screenshots
//   --review FOLDER      every page in both themes, wide and on a phone
//   --url U --token T    of a server that runs, instead of one started for this
//   --only NAME[,NAME]   not all pages

const root = fileURLToPath(new URL("../../", import.meta.url));
const forge = join(root, "examples", "forge");
const { values } = parseArgs({
  options: {
    review: { type: "string" },
    url: { type: "string" },
    token: { type: "string" },
    only: { type: "string" },
  },
});

const directory = await mkdtemp(join(tmpdir(), "signalbox-screenshots-"));
const server = values.url === undefined ? await startDemo(directory) : undefined;
const url = server?.url ?? values.url ?? "";
const token = server?.token ?? values.token ?? "";
try {
  const folder = values.review ?? join(root, "docs", "screenshots");
  await mkdir(folder, { recursive: true });
  const only = values.only?.split(",");
  const all = await pagesToTake(ask);
  const wanted = all.filter(({ name, inReadme }) =>
    only === undefined ? values.review !== undefined || inReadme === true : only.includes(name),
  );
  const looks: readonly Looks[] = [
    { colorScheme: "light", width: 1440 },
    { colorScheme: "dark", width: 1440 },
    ...(values.review === undefined
      ? []
      : ([
          { colorScheme: "light", width: 390 },
          { colorScheme: "dark", width: 390 },
        ] as const)),
  ];
  for (const look of looks)
    for (const note of await takePictures({ url, token, folder }, wanted, look)) {
      console.error(note);
      process.exitCode = 1;
    }
  console.log(`Pictures of ${wanted.length} pages are in ${folder}`);
} finally {
  await server?.stop();
  await rm(directory, { recursive: true, force: true });
}

async function ask(path: string): Promise<unknown> {
  const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

/** The server with the forge in it, until there is something to see. */
async function startDemo(
  data: string,
): Promise<{ readonly url: string; readonly token: string; stop(): Promise<unknown> }> {
  const installation = await installSignalbox({
    dataDirectory: join(data, "data"),
    env: {
      SIGNALBOX_EXPERIENCE_DEFINITIONS: join(forge, "experiences"),
      // The neighbour of the forge's relay is on this machine.
      SIGNALBOX_RELAY_SYNC_ALLOW_PRIVATE_TARGETS: "true",
    },
    flags: ["--quiet", "--log-level", "error", "--app", join(forge, "dist", "index.js")],
  });
  const create = async (...args: string[]): Promise<Record<string, unknown>> =>
    (await installation.command(...args)) as Record<string, unknown>;
  const person = await create("token", "create", "--scope", "admin");
  const producer = await create("token", "create", "--scope", "experience:write");
  const project = await create("project", "create", "forge");
  Object.assign(installation.env, { FORGE_TOKEN: producer["token"], FORGE_DSN: project["dsn"] });
  const started = await installation.start();
  // The first journey times out after twelve seconds; more of them make better charts.
  await new Promise((resolve) => setTimeout(resolve, 90_000));
  return { url: started.url, token: String(person["token"]), stop: () => started.stop() };
}
