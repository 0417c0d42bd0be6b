import { connect, createServer, type Server, type Socket } from "node:net";

/** A way to a server, over which nothing comes any more while it hangs. */
export interface Line {
  readonly port: number;
  hang(on: boolean): void;
  close(): void;
}

/** A line to a port of this machine; connections live as long as both sides want them. */
export async function openLine(serverPort: number): Promise<Line> {
  const sockets = new Set<Socket>();
  let hanging = false;
  const server: Server = createServer((near) => {
    const far = connect(serverPort, "127.0.0.1");
    for (const [socket, peer] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("data", (chunk) => peer.write(chunk));
      socket.on("error", () => peer.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        peer.destroy();
      });
      if (hanging) socket.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    hang(on) {
      hanging = on;
      for (const socket of sockets) {
        if (on) socket.pause();
        else socket.resume();
      }
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
