/** What a call was answered, kept for whoever repeats it. */
export interface KeptAnswer {
  readonly status: number;
  /** JSON text; `null`: none, or made anew from {@link KeptAnswer.started}. */
  readonly body: string | null;
  /** The instance that was started, when the answer has its links: those hold keys, which are not stored. */
  readonly started: string | null;
}

/** How a call is recognised, and what it asks for. */
export interface IdempotentCall {
  /** SHA-256 of who calls what with which key. */
  readonly id: Buffer;
  /** SHA-256 of the request. */
  readonly requestHash: Buffer;
}
