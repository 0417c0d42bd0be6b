/** A change as it goes to everyone who listens: encoded once. */
export interface StreamMessage<Audience> {
  readonly sequence: number;
  readonly topic: string;
  /** JSON on one line. */
  readonly data: string;
  readonly visibleTo: ((audience: Audience) => boolean) | undefined;
}

/** The last messages, for listeners that come back; bounded in number and size. */
export class RecentMessages<Audience> {
  readonly #maxMessages: number;
  readonly #maxChars: number;
  #messages: StreamMessage<Audience>[] = [];
  #chars = 0;
  #last = 0;

  constructor(maxMessages: number, maxChars: number) {
    this.#maxMessages = maxMessages;
    this.#maxChars = maxChars;
  }

  /** Sequence of the latest message, 0 before the first. */
  get last(): number {
    return this.#last;
  }

  add(message: Omit<StreamMessage<Audience>, "sequence">): StreamMessage<Audience> {
    const numbered = { ...message, sequence: ++this.#last };
    this.#messages.push(numbered);
    this.#chars += numbered.data.length;
    while (this.#messages.length > this.#maxMessages || this.#chars > this.#maxChars)
      this.#chars -= this.#messages.shift()?.data.length ?? 0;
    return numbered;
  }

  /** What came after a message; `undefined` when some of it is forgotten, or the message has not been yet. */
  after(sequence: number): readonly StreamMessage<Audience>[] | undefined {
    const forgotten = this.#last - this.#messages.length;
    if (sequence < forgotten || sequence > this.#last) return undefined;
    return this.#messages.slice(sequence - forgotten);
  }
}
