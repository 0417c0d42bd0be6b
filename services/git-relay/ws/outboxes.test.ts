import { EventEmitter } from "node:events";
import { Socket } from "node:net";
import { createVirtualClock } from "@signalbox/kernel";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createOutboxes, type OutboxSocket } from "./outboxes.js";

/** A socket whose other end reads as much as a test says. */
class SlowSocket extends EventEmitter implements OutboxSocket {
  #queue: { readonly bytes: number; sent(): void }[] = [];
  ended = false;

  get readyState(): number {
    return this.ended ? WebSocket.CLOSED : WebSocket.OPEN;
  }
  get bufferedAmount(): number {
    return this.#queue.reduce((sum, { bytes }) => sum + bytes, 0);
  }
  send(text: string, sent: () => void): void {
    this.#queue.push({ bytes: text.length, sent });
  }
  close(): void {}
  terminate(): void {
    this.ended = true;
    this.emit("close");
  }
  /** Pongs that nobody asked the outbox to send. */
  receivePing(bytes: number): void {
    this.emit("ping");
    this.#queue.push({ bytes, sent: () => {} });
  }
  read(messages: number): void {
    for (const { sent } of this.#queue.splice(0, messages)) sent();
  }
}

function open(maxBytes = 1_000, maxBytesPerConnection = 600) {
  const clock = createVirtualClock();
  const overflows: [string, number][] = [];
  const outboxes = createOutboxes({
    maxBytes,
    maxBytesPerConnection,
    clock,
    onOverflow: (limit, bytes) => overflows.push([limit, bytes]),
  });
  const connect = () => {
    const socket = new SlowSocket();
    return { socket, outbox: outboxes.open({ socket, carrier: new Socket() }) };
  };
  return { clock, outboxes, overflows, connect };
}

const message = "x".repeat(100);

describe("what waits to be sent", () => {
  test("GR-010 one connection may have so much waiting and no more", () => {
    const { outboxes, overflows, connect } = open();
    const { socket, outbox } = connect();
    for (let index = 0; index < 6; index++) outbox.send(message);
    expect([socket.ended, outboxes.waitingBytes]).toEqual([false, 600]);
    outbox.send(message);
    outbox.send(message);
    expect([socket.ended, outboxes.waitingBytes, overflows]).toEqual([true, 0, [["connection", 700]]]);
  });

  test("GR-010 answers to pings count like everything else that waits", () => {
    const { overflows, connect } = open();
    const { socket } = connect();
    for (let index = 0; index < 10; index++) socket.receivePing(100);
    expect([socket.ended, overflows]).toEqual([true, [["connection", 700]]]);
  });

  test("GR-010 what was read, or belonged to who has gone, does not count", () => {
    const { outboxes, overflows, connect } = open();
    const [one, other] = [connect(), connect()];
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 5; index++) one.outbox.send(message);
      one.socket.read(5);
    }
    for (let index = 0; index < 5; index++) other.outbox.send(message);
    expect(outboxes.waitingBytes).toBe(500);
    other.socket.terminate();
    expect([outboxes.waitingBytes, overflows]).toEqual([0, []]);
  });

  test("GR-010 beyond what all may have together those go who have had most waiting for longest, not who reads slowly", async () => {
    const { clock, outboxes, overflows, connect } = open();
    const deaf = [connect(), connect(), connect()];
    const slow = connect();
    for (const { outbox } of deaf) for (let index = 0; index < 2; index++) outbox.send(message);
    // Its queue is longer than theirs at all times, and never empty; what is in it is young.
    for (let index = 0; index < 3; index++) slow.outbox.send(message);
    for (let second = 0; second < 60; second++) {
      await clock.advanceBy(1_000);
      slow.socket.read(1);
      slow.outbox.send(message);
    }
    expect([outboxes.waitingBytes, overflows]).toEqual([900, []]);
    slow.outbox.send(message);
    slow.outbox.send(message);
    expect(deaf.filter(({ socket }) => socket.ended)).toHaveLength(1);
    expect([slow.socket.ended, outboxes.waitingBytes, overflows]).toEqual([false, 900, [["relay", 200]]]);
  });

  test("GR-010 of those who have waited equally long the one with most goes first", async () => {
    const { clock, overflows, connect } = open();
    const [small, large] = [connect(), connect()];
    small.outbox.send(message);
    for (let index = 0; index < 5; index++) large.outbox.send(message);
    await clock.advanceBy(10_000);
    for (let index = 0; index < 5; index++) connect().outbox.send(message);
    expect([small.socket.ended, large.socket.ended, overflows]).toEqual([false, true, [["relay", 500]]]);
  });
});
