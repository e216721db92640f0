/**
 * A network that a test can break: a proxy in front of Postgres. It understands just enough of the protocol to know
 * which statement a connection sends and when the server has answered it, so that a connection can be cut after a
 * statement was executed and before its answer arrives.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

/** What happens to the connection that next sends a statement. */
export type Cut =
  /** The server never sees it. */
  | 'before'
  /** The server has executed and, outside of a transaction, committed it; its answer is thrown away. */
  | 'after'
  /** It goes on its way, and with it everything else, when {@link TcpProxy.release} is called. */
  | 'hold';

interface Trap {
  readonly text: string;
  readonly cut: Cut;
  times: number;
  skip: number;
  readonly sprung: () => void;
  readonly silent?: boolean;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** Bytes of the server's message under way that are still to come. */
  owed: number;
  /** The beginning of a server message that is not long enough to tell its length. */
  head: Buffer;
  /** Set when the answer to the statement under way is to be thrown away. */
  swallowing: Trap | undefined;
  /** Nothing passes, and nobody is told. */
  dead: boolean;
  /** What is held up. */
  late: Promise<void> | undefined;
}

const readyForQuery = 'Z'.charCodeAt(0);

export class TcpProxy {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #url: URL;
  #traps: Trap[] = [];
  #holes = false;
  #refusing = false;
  #delayMs = 0;
  readonly #counters: { readonly text: string; count: number }[] = [];
  /** What waits for the release, in order; `undefined`: nothing is held. */
  #held: (() => void)[] | undefined;

  private constructor(url: string) {
    this.#url = new URL(url);
    this.#target = { host: this.#url.hostname, port: Number(this.#url.port || 5432) };
    this.#server = createServer((client) => this.#accept(client));
  }

  /** Opens a proxy to the server of a connection URL; closed when the test is over, or by whoever opened it elsewhere. */
  static async open(
    url: string,
    { whenFinished = onTestFinished }: { readonly whenFinished?: (close: () => Promise<void>) => void } = {},
  ): Promise<TcpProxy> {
    const proxy = new TcpProxy(url);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    const address = proxy.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    proxy.#url.hostname = '127.0.0.1';
    proxy.#url.port = String(address.port);
    whenFinished(() => proxy.close());
    return proxy;
  }

  /** The same database through the proxy. */
  get url(): string {
    return this.#url.href;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#links.size;
  }

  /**
   * Cuts the next connections that send a statement holding this text (the name of a prepared statement will do).
   * @param skip so many such statements pass first
   * @returns a promise of the (last) cut
   */
  cut(text: string, cut: Cut, times = 1, skip = 0): Promise<void> {
    return new Promise((sprung) => this.#traps.push({ text, cut, times, skip, sprung }));
  }

  /** @returns how many statements that hold this text have passed since */
  count(text: string): () => number {
    const counter = { text, count: 0 };
    this.#counters.push(counter);
    return () => counter.count;
  }

  /** Lets everything go that was held. */
  release(): void {
    const held = this.#held;
    this.#held = undefined;
    for (const pass of held ?? []) pass();
  }

  /**
   * The next connection that sends a statement holding this text is stopped like one that is {@link cut}, but nobody is
   * told: no reset, only silence.
   * @returns a promise of that moment
   */
  silence(text: string, cut: Cut): Promise<void> {
    return new Promise((sprung) => this.#traps.push({ text, cut, times: 1, skip: 0, sprung, silent: true }));
  }

  /** Resets every open connection. */
  resetAll(): void {
    for (const link of [...this.#links]) this.#reset(link);
  }

  /** From now on bytes vanish in both directions, on connections that are open and on new ones. */
  blackhole(): void {
    this.#holes = true;
    for (const link of this.#links) link.dead = true;
  }

  /** From now on new connections are refused, open ones reset. */
  refuse(): void {
    this.#refusing = true;
    this.resetAll();
  }

  /** From now on everything that the server says arrives so much later; with 0 at once. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** New connections work again. Those that vanished stay vanished. */
  heal(): void {
    this.#holes = false;
    this.#refusing = false;
    this.#traps = [];
    this.#delayMs = 0;
    this.release();
  }

  async close(): Promise<void> {
    this.resetAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    if (this.#refusing) {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.#target);
    const link: Link = {
      client,
      server,
      owed: 0,
      head: Buffer.alloc(0),
      swallowing: undefined,
      dead: this.#holes,
      late: undefined,
    };
    this.#links.add(link);
    client.on('data', (chunk: Buffer) => this.#fromClient(link, chunk));
    server.on('data', (chunk: Buffer) => this.#fromServer(link, chunk));
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => this.#reset(link));
      socket.on('close', () => this.#closed(link, socket));
    }
  }

  #fromClient(link: Link, chunk: Buffer): void {
    if (link.dead) return;
    if (this.#held !== undefined) {
      this.#held.push(() => this.#fromClient(link, chunk));
      return;
    }
    for (const counter of this.#counters) if (chunk.includes(counter.text)) counter.count += 1;
    const trap = this.#traps.find((candidate) => chunk.includes(candidate.text));
    if (trap !== undefined && trap.skip > 0) {
      trap.skip -= 1;
    } else if (trap !== undefined) {
      trap.times -= 1;
      if (trap.times === 0) this.#traps = this.#traps.filter((candidate) => candidate !== trap);
      if (trap.cut === 'before') {
        this.#spring(link, trap);
        return;
      }
      if (trap.cut === 'hold') {
        this.#held = [() => this.#fromClient(link, chunk)];
        trap.sprung();
        return;
      }
      link.swallowing = trap;
    }
    link.server.write(chunk);
  }

  #fromServer(link: Link, chunk: Buffer): void {
    if (this.#held !== undefined) {
      this.#held.push(() => this.#fromServer(link, chunk));
      return;
    }
    const answered = this.#follow(link, chunk);
    if (link.dead) return;
    if (link.swallowing === undefined) this.#pass(link, chunk);
    else if (answered) this.#spring(link, link.swallowing);
  }

  /** To the client, in order. */
  #pass(link: Link, chunk: Buffer): void {
    if (this.#delayMs === 0 && link.late === undefined) {
      link.client.write(chunk);
      return;
    }
    const passed = Promise.all([link.late, sleep(this.#delayMs)]).then(() => {
      if (!link.dead) link.client.write(chunk);
      if (link.late === passed) link.late = undefined;
    });
    link.late = passed;
  }

  /** Keeps count of the server's messages. @returns whether one of them said that it is ready for the next query */
  #follow(link: Link, chunk: Buffer): boolean {
    let answered = false;
    let rest = chunk;
    for (;;) {
      const skipped = Math.min(link.owed, rest.length);
      link.owed -= skipped;
      rest = rest.subarray(skipped);
      if (rest.length === 0) return answered;
      const head = Buffer.concat([link.head, rest]);
      if (head.length < 5) {
        link.head = head;
        return answered;
      }
      if (head[0] === readyForQuery) answered = true;
      link.owed = head.readUInt32BE(1) + 1 - link.head.length;
      link.head = Buffer.alloc(0);
    }
  }

  #spring(link: Link, trap: Trap): void {
    if (trap.silent === true) link.dead = true;
    else this.#reset(link);
    if (trap.times === 0) trap.sprung();
  }

  #reset(link: Link): void {
    this.#links.delete(link);
    link.dead = true;
    if (!link.client.destroyed) link.client.resetAndDestroy();
    link.server.destroy();
  }

  /** One side has left: so does the other, unless the network between them is broken. */
  #closed(link: Link, socket: Socket): void {
    if (link.dead && socket === link.server) return;
    this.#links.delete(link);
    link.client.destroy();
    link.server.destroy();
  }
}
