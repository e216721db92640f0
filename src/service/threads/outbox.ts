/**
 * Joins what one thread has to say to another: a message costs about as much as a turn of an orchestration, however much is
 * in it. What is said between two looks of the event loop goes together, so nothing waits for anything.
 */
export class Outbox<Message> {
  readonly #send: (messages: readonly Message[]) => void;
  #messages: Message[] = [];

  constructor(send: (messages: readonly Message[]) => void) {
    this.#send = send;
  }

  post(message: Message): void {
    this.#messages.push(message);
    if (this.#messages.length === 1) setImmediate(() => this.flush());
  }

  /** At once, e.g. because the thread ends. */
  flush(): void {
    if (this.#messages.length === 0) return;
    const messages = this.#messages;
    this.#messages = [];
    this.#send(messages);
  }
}
