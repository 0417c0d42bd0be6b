import { WebSocket } from "ws";

/** One connection that sends texts, so many at one time, and measures how long each answer takes. */
export interface PipelinedClient {
  /** Resolves with the times of the answers in ms, in order. */
  sendAll(texts: readonly string[], atOnce: number): Promise<number[]>;
  close(): void;
}

/** @param isAnswer whether a message ends the wait for the oldest text that is still unanswered */
export async function connectPipelined(url: string, isAnswer: (message: string) => boolean): Promise<PipelinedClient> {
  const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 0 });
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  return {
    sendAll: (texts, atOnce) =>
      new Promise((resolve, reject) => {
        const sentMs: number[] = [];
        const tookMs: number[] = [];
        const fill = (): void => {
          while (sentMs.length < texts.length && sentMs.length - tookMs.length < atOnce) {
            const text = texts[sentMs.length] ?? "";
            sentMs.push(performance.now());
            socket.send(text);
          }
        };
        const onMessage = (data: unknown): void => {
          if (!isAnswer(String(data))) return;
          tookMs.push(performance.now() - (sentMs[tookMs.length] ?? 0));
          if (tookMs.length < texts.length) fill();
          else {
            socket.off("message", onMessage);
            socket.off("close", onClose);
            resolve(tookMs);
          }
        };
        const onClose = (): void => reject(new Error("the relay closed the connection"));
        socket.on("message", onMessage);
        socket.once("close", onClose);
        if (texts.length === 0) resolve(tookMs);
        else fill();
      }),
    close: () => socket.terminate(),
  };
}

export const isOk = (message: string): boolean => message.startsWith('["OK"');
export const isEose = (message: string): boolean => message.startsWith('["EOSE"');
