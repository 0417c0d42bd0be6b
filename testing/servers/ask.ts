import { connect } from "node:net";

/** Sends `question` to a port of this machine and resolves with the first bytes that come back; `""` when none do. */
export function ask(port: number, question: string, timeoutMs = 1_000): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const finish = (answer: string): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeoutMs, () => finish(""));
    socket.once("connect", () => socket.write(question));
    socket.once("data", (data) => finish(data.toString("utf8")));
    socket.once("error", () => finish(""));
    socket.once("close", () => finish(""));
  });
}
