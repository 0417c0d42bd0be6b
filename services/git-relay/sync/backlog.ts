import type { PeerSocket } from "./ports.js";

/** Events of one peer that were read and not decided yet, beyond which it is not read. */
const maxEvents = 2_000;
/** The same over all peers, in bytes of their texts. */
const defaultMaxBytes = 32 * 1024 * 1024;

/** What all peers together have read and not decided. */
export class SharedBacklog {
  readonly #maxBytes: number;
  readonly #waiting = new Set<Backlog>();
  #bytes = 0;

  constructor(maxBytes = defaultMaxBytes) {
    this.#maxBytes = maxBytes;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#maxBytes;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (bytes > 0 || this.#bytes > this.#maxBytes / 2) return;
    for (const backlog of this.#waiting) backlog.regulate();
  }

  wakeLater(backlog: Backlog): void {
    this.#waiting.add(backlog);
  }

  forget(backlog: Backlog): void {
    this.#waiting.delete(backlog);
  }
}

/** Stops reading from a peer while too much of it, or of all peers, is undecided. */
export class Backlog {
  readonly #socket: PeerSocket;
  readonly #shared: SharedBacklog;
  #events = 0;
  #isPaused = false;
  /** How often reading began again: silence of before means nothing. */
  #resumes = 0;

  constructor(socket: PeerSocket, shared: SharedBacklog) {
    this.#socket = socket;
    this.#shared = shared;
  }

  get events(): number {
    return this.#events;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get resumes(): number {
    return this.#resumes;
  }

  enter(bytes: number): void {
    this.#events++;
    this.#shared.add(bytes);
    this.regulate();
  }

  leave(bytes: number): void {
    this.#events--;
    this.#shared.add(-bytes);
    this.regulate();
  }

  regulate(): void {
    if (!this.#isPaused && (this.#events >= maxEvents || this.#shared.isFull)) {
      this.#isPaused = true;
      this.#shared.wakeLater(this);
      this.#socket.pause();
    } else if (this.#isPaused && this.#events < maxEvents / 2 && !this.#shared.isFull) {
      this.#isPaused = false;
      this.#resumes++;
      this.#shared.forget(this);
      this.#socket.resume();
    }
  }

  /** The socket is gone; events under way still end. */
  end(): void {
    this.#shared.forget(this);
  }
}
