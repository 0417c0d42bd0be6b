import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { exists, type NeededPrograms, run } from "./toolchain.js";

const programs = fileURLToPath(new URL(".", import.meta.url));

/** One client: a language with its SDK, or an older line of SDKs that programs still have. */
export interface Language {
  readonly name: string;
  /** The SDK as its registry calls it. */
  readonly sdk: string;
  readonly needs: NeededPrograms;
  /** Fetches the newest SDK of this line into the folder and makes the program ready to run. */
  prepare(folder: string): Promise<Prepared>;
  readonly expected: Expected;
}

export interface Prepared {
  readonly version: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Further variables that it needs. */
  readonly env?: Readonly<Record<string, string>>;
  /** What this version of the SDK has not, though newer ones do. */
  readonly lacks?: readonly ("session" | "attachment")[];
}

export interface Expected {
  /** How the title of the exception begins. */
  readonly title: string;
  /** Contained in the functions of these frames, from the oldest to the one that failed. */
  readonly frames: readonly { readonly function: string; readonly inApp: boolean }[];
  /** What the SDK's interface offers. */
  readonly session: boolean;
  readonly attachment: boolean;
}

const ownFrames = (first: string, library: string, last: string) => [
  { function: first, inApp: true },
  { function: library, inApp: false },
  { function: last, inApp: true },
];

export const languages: readonly Language[] = [
  python({ name: "python", requirement: "sentry-sdk", program: "shop.py", session: true, attachment: true }),
  python({ name: "python-1", requirement: "sentry-sdk<2", program: "shop_1.py", session: true, attachment: true }),
  python({ name: "python-raven", requirement: "raven", program: "raven_shop.py", session: false, attachment: false }),
  node({ name: "node", range: "latest" }),
  ...[10, 9, 8, 7].map((major) => node({ name: `node-${major}`, range: `${major}` })),
  node({ name: "node-6", range: "6", attachment: false }),
  node({ name: "node-raven", sdk: "raven", range: "latest", program: "raven.cjs", session: false, attachment: false }),
  {
    name: "go",
    sdk: "github.com/getsentry/sentry-go",
    needs: [["go", "version"]],
    async prepare(folder) {
      await copyFile(join(programs, "go", "main.go"), join(folder, "main.go"));
      if (!(await exists(join(folder, "go.mod")))) await run("go", ["mod", "init", "shop"], folder);
      await run("go", ["get", "github.com/getsentry/sentry-go@latest"], folder);
      await run("go", ["build", "-o", "shop", "."], folder);
      const version = await run("go", ["list", "-m", "-f", "{{.Version}}", "github.com/getsentry/sentry-go"], folder);
      return { version: version.replace(/^v/, ""), command: join(folder, "shop"), args: [] };
    },
    expected: {
      title: "main.BasketError: the basket is empty",
      frames: ownFrames("openShop", "doSlow", "checkOut"),
      session: false,
      attachment: true,
    },
  },
  java("java", "RELEASE"),
  java("java-7", "[7,8.0.0-alpha)"),
  java("java-6", "[6,7.0.0-alpha)"),
  {
    name: "rust",
    sdk: "sentry",
    needs: [["cargo", "--version"]],
    async prepare(folder) {
      // A new manifest each time: an old one would keep the version that was the newest when it was written.
      await writeFile(
        join(folder, "Cargo.toml"),
        '[package]\nname = "shop"\nversion = "1.0.0"\nedition = "2021"\n\n[workspace]\n',
      );
      await rm(join(folder, "Cargo.lock"), { force: true });
      await mkdir(join(folder, "src"), { recursive: true });
      await copyFile(join(programs, "rust", "main.rs"), join(folder, "src", "main.rs"));
      await run("cargo", ["add", "--quiet", "sentry"], folder);
      await run("cargo", ["build", "--quiet"], folder);
      const lock = await readFile(join(folder, "Cargo.lock"), "utf8");
      const version = /name = "sentry"\nversion = "([^"]+)"/.exec(lock)?.[1] ?? "unknown";
      return { version, command: join(folder, "target", "debug", "shop"), args: [] };
    },
    expected: {
      title: "panic: the basket is empty",
      frames: ownFrames("open_shop", "map", "check_out"),
      session: true,
      attachment: true,
    },
  },
  {
    name: "ruby",
    sdk: "sentry-ruby",
    needs: [["ruby", "--version"]],
    async prepare(folder) {
      const gems = await installGem(folder, "sentry-ruby");
      const look = 'require "sentry-ruby"; print Sentry::VERSION, " ", Sentry::Scope.method_defined?(:add_attachment)';
      const [version = "unknown", hasAttachments] = (await run("ruby", ["-e", look], folder, gems)).split(" ");
      return {
        version,
        command: "ruby",
        args: [join(programs, "ruby", "shop.rb")],
        env: gems,
        lacks: hasAttachments === "true" ? [] : ["attachment"],
      };
    },
    expected: {
      title: "BasketError: the basket is empty",
      frames: ownFrames("open_shop", "load", "check_out"),
      session: true,
      attachment: true,
    },
  },
  {
    name: "ruby-raven",
    sdk: "sentry-raven",
    needs: [["ruby", "--version"]],
    async prepare(folder) {
      const gems = await installGem(folder, "sentry-raven");
      const version = await run("ruby", ["-e", 'require "sentry-raven"; print Raven::VERSION'], folder, gems);
      return { version, command: "ruby", args: [join(programs, "ruby", "raven_shop.rb")], env: gems };
    },
    expected: {
      title: "BasketError: the basket is empty",
      frames: ownFrames("open_shop", "load", "check_out"),
      session: false,
      attachment: false,
    },
  },
];

interface PythonClient {
  readonly name: string;
  /** As pip understands it. */
  readonly requirement: string;
  readonly program: string;
  readonly session: boolean;
  readonly attachment: boolean;
}

function python({ name, requirement, program, session, attachment }: PythonClient): Language {
  const sdk = requirement.replace(/\W*\d+$/, "");
  return {
    name,
    sdk,
    needs: [["python3", "--version"]],
    async prepare(folder) {
      const interpreter = join(folder, "venv", "bin", "python");
      if (!(await exists(interpreter))) await run("python3", ["-m", "venv", join(folder, "venv")]);
      await run(interpreter, ["-m", "pip", "install", "--quiet", "--upgrade", requirement]);
      const script = `from importlib.metadata import version; print(version("${sdk}"))`;
      const version = await run(interpreter, ["-c", script]);
      return { version, command: interpreter, args: [join(programs, "python", program)] };
    },
    expected: {
      title: "BasketError: the basket is empty",
      frames: ownFrames("open_shop", "raw_decode", "check_out"),
      session,
      attachment,
    },
  };
}

interface NodeClient {
  readonly name: string;
  readonly sdk?: string;
  /** Tag or range of versions. */
  readonly range: string;
  readonly program?: string;
  readonly session?: boolean;
  readonly attachment?: boolean;
}

function node(client: NodeClient): Language {
  const { name, sdk = "@sentry/node", range, program = "shop.cjs", session = true, attachment = true } = client;
  return {
    name,
    sdk,
    needs: [["npm", "--version"]],
    async prepare(folder) {
      // Found from where it stands, so it stands beside its packages.
      await copyFile(join(programs, "node", program), join(folder, program));
      await writeFile(join(folder, "package.json"), '{ "private": true }\n');
      await run("npm", ["install", "--silent", "--no-audit", "--ignore-scripts", `${sdk}@${range}`], folder);
      const { version } = JSON.parse(await readFile(join(folder, "node_modules", sdk, "package.json"), "utf8"));
      return { version, command: process.execPath, args: [join(folder, program)] };
    },
    expected: {
      title: "BasketError: the basket is empty",
      frames: ownFrames("openShop", "emit", "checkOut"),
      session,
      attachment,
    },
  };
}

function java(name: string, range: string): Language {
  return {
    name,
    sdk: "io.sentry:sentry",
    needs: [
      ["java", "-version"],
      ["mvn", "--version"],
    ],
    async prepare(folder) {
      const classpath = join(folder, "classpath.txt");
      const maven = [
        "--batch-mode",
        "--quiet",
        "--update-snapshots",
        `-Dmaven.repo.local=${join(folder, "repository")}`,
        `-Dsentry.version=${range}`,
      ];
      const project = ["--file", join(programs, "java", "pom.xml")];
      await run("mvn", [...maven, ...project, "dependency:build-classpath", `-Dmdep.outputFile=${classpath}`]);
      const path = (await readFile(classpath, "utf8")).trim();
      const version = /sentry-(\d[^/\\]*)\.jar/.exec(path)?.[1] ?? "unknown";
      return { version, command: "java", args: ["-cp", path, join(programs, "java", "Shop.java")] };
    },
    expected: {
      title: "Shop$BasketError: the basket is empty",
      frames: ownFrames("openShop", "forEach", "checkOut"),
      session: true,
      attachment: true,
    },
  };
}

/** The variables under which a gem is found. Where the registry is out of reach, what the system has installed is tried. */
async function installGem(folder: string, gem: string): Promise<Record<string, string>> {
  await run("gem", ["install", "--silent", "--no-document", "--install-dir", folder, gem]).catch(() => {});
  return { GEM_PATH: `${folder}:${await run("ruby", ["-e", "print Gem.path.join(':')"])}` };
}
