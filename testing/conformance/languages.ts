import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { exists, type NeededPrograms, run } from "./toolchain.js";

const programs = fileURLToPath(new URL(".", import.meta.url));

export interface Language {
  readonly name: string;
  /** The SDK as its registry calls it. */
  readonly sdk: string;
  readonly needs: NeededPrograms;
  /** Fetches the newest SDK into the folder and makes the program ready to run. */
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
  {
    name: "python",
    sdk: "sentry-sdk",
    needs: [["python3", "--version"]],
    async prepare(folder) {
      const python = join(folder, "venv", "bin", "python");
      if (!(await exists(python))) await run("python3", ["-m", "venv", join(folder, "venv")]);
      await run(python, ["-m", "pip", "install", "--quiet", "--upgrade", "sentry-sdk"]);
      const script = 'from importlib.metadata import version; print(version("sentry-sdk"))';
      const version = await run(python, ["-c", script]);
      return { version, command: python, args: [join(programs, "python", "shop.py")] };
    },
    expected: {
      title: "BasketError: the basket is empty",
      frames: ownFrames("open_shop", "raw_decode", "check_out"),
      session: true,
      attachment: true,
    },
  },
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
  {
    name: "java",
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
  },
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
      const gems = { GEM_PATH: `${folder}:${await run("ruby", ["-e", "print Gem.path.join(':')"])}` };
      // Where the registry is out of reach, what the system has installed is tried.
      await run("gem", ["install", "--silent", "--no-document", "--install-dir", folder, "sentry-ruby"]).catch(
        () => {},
      );
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
];
