import { readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { type StartOptions, startServer, type TestServer } from "./server-process.js";

export interface PostgresServer extends TestServer {
  /** Makes an empty database and resolves with its URL. */
  createDatabase(): Promise<string>;
}

const superuser = "signalbox";

/** PostgreSQL that trusts everybody on this machine. Started by root it runs as an unprivileged user. */
export async function startPostgres(options?: StartOptions): Promise<PostgresServer> {
  const server = await startServer(
    {
      program: "postgres",
      url: (port) => urlOf(port, "postgres"),
      async prepare(run, directory) {
        const settings = ["--username", superuser, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"];
        await run("initdb", ["--pgdata", join(directory, "data"), ...settings, "--no-sync"]);
      },
      args: (directory, port) => [
        ...["-D", join(directory, "data"), "-p", String(port)],
        ...["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200"],
      ],
      isReady,
      stopSignal: "SIGINT",
      guardSignal: "QUIT",
      user: unprivilegedUser(),
    },
    options,
  );

  let databases = 0;
  return {
    ...server,
    get pid() {
      return server.pid;
    },
    async createDatabase() {
      const name = `test_${++databases}`;
      await query(server.url, `create database ${name}`);
      return urlOf(server.port, name);
    },
  };
}

function urlOf(port: number, database: string): string {
  return `postgres://${superuser}@127.0.0.1:${port}/${database}`;
}

async function isReady(port: number): Promise<boolean> {
  try {
    await query(urlOf(port, "postgres"), "select 1");
    return true;
  } catch {
    return false;
  }
}

async function query(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on("error", () => {});
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** PostgreSQL refuses to run as root. */
function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  for (const wanted of ["postgres", "nobody"]) {
    const [, , uid, gid] = users.find(([name]) => name === wanted) ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error("There is neither a user postgres nor a user nobody to run PostgreSQL as");
}
