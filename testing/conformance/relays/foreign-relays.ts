import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { exists, type NeededPrograms, run } from "../toolchain.js";

const programs = fileURLToPath(new URL(".", import.meta.url));

/** A relay that others wrote, with a client of the same family. */
export interface ForeignRelay {
  readonly name: string;
  readonly needs: NeededPrograms;
  /** Fetches its packages into the folder and builds the program. */
  prepare(folder: string): Promise<PreparedRelay>;
}

export interface PreparedRelay {
  /** Name and version of what serves, and of what asks. */
  readonly relay: string;
  readonly client: string;
  /** Knows `serve` and `use RELAY REPOSITORY`; see its source. */
  readonly program: string;
}

export const foreignRelays: readonly ForeignRelay[] = [
  {
    name: "khatru",
    needs: [["go", "version"]],
    async prepare(folder) {
      for (const file of ["main.go", "store.go"]) await copyFile(join(programs, "khatru", file), join(folder, file));
      if (!(await exists(join(folder, "go.mod")))) await run("go", ["mod", "init", "relay"], folder);
      // The releases after these are kept elsewhere, or do not fit together.
      const modules = ["github.com/fiatjaf/khatru@v0.15.0", "github.com/fiatjaf/eventstore@v0.15.0"];
      await run("go", ["get", ...modules], folder);
      await run("go", ["mod", "tidy"], folder);
      await run("go", ["build", "-o", "relay", "."], folder);
      const versionOf = async (module: string): Promise<string> =>
        run("go", ["list", "-m", "-f", "{{.Version}}", module], folder);
      return {
        relay: `khatru ${await versionOf("github.com/fiatjaf/khatru")}`,
        client: `go-nostr ${await versionOf("github.com/nbd-wtf/go-nostr")}`,
        program: join(folder, "relay"),
      };
    },
  },
  {
    name: "relay-builder",
    needs: [["cargo", "--version"]],
    async prepare(folder) {
      // A new manifest each time: an old one would keep the versions that were the newest when it was written.
      await writeFile(
        join(folder, "Cargo.toml"),
        '[package]\nname = "relay"\nversion = "1.0.0"\nedition = "2021"\n\n[workspace]\n',
      );
      await rm(join(folder, "Cargo.lock"), { force: true });
      await mkdir(join(folder, "src"), { recursive: true });
      await copyFile(join(programs, "relay-builder", "main.rs"), join(folder, "src", "main.rs"));
      await run("cargo", ["add", "--quiet", "nostr-relay-builder@0.44", "nostr-sdk@0.44"], folder);
      await run("cargo", ["add", "--quiet", "tokio", "--features", "full"], folder);
      await run("cargo", ["build", "--quiet"], folder);
      const lock = await readFile(join(folder, "Cargo.lock"), "utf8");
      const versionOf = (name: string): string =>
        new RegExp(`name = "${name}"\nversion = "([^"]+)"`).exec(lock)?.[1] ?? "unknown";
      return {
        relay: `nostr-relay-builder ${versionOf("nostr-relay-builder")}`,
        client: `nostr-sdk ${versionOf("nostr-sdk")}`,
        program: join(folder, "target", "debug", "relay"),
      };
    },
  },
];
