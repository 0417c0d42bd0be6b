import { spawn } from "node:child_process";

/** Ends a server and removes its folder when this process ends without doing so, however it ends. */
export interface Guard {
  /** The process to end; `undefined` while the server is down. */
  watch(pid: number | undefined): void;
  /** The server is stopped and the folder gone: nothing is left to do. */
  release(): void;
}

// The shell waits on a pipe whose other end only this process holds, so it learns of a SIGKILL too.
const script = `
trap '' INT TERM HUP
pid=
while read -r word value; do
  case "$word" in
    watch) pid=$value ;;
    release) exit 0 ;;
  esac
done
if [ -n "$pid" ]; then
  kill -s "$1" "$pid"
  tries=0
  while kill -0 "$pid" && [ "$tries" -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -s KILL "$pid"
fi
rm -rf "$2"
`;

/** @param signal ends the server at once, with its children */
export function createGuard(directory: string, signal: "KILL" | "QUIT"): Guard {
  const shell = spawn("/bin/sh", ["-c", script, "guard", signal, directory], {
    stdio: ["pipe", "ignore", "ignore"],
    // In a process group of its own, so that what ends the test run as a group does not end its guard.
    detached: true,
    cwd: "/",
  });
  shell.unref();
  if ("unref" in shell.stdin && typeof shell.stdin.unref === "function") shell.stdin.unref();
  shell.stdin.on("error", () => {});
  return {
    watch: (pid) => void shell.stdin.write(`watch ${pid ?? ""}\n`),
    release: () => void shell.stdin.end("release\n"),
  };
}
