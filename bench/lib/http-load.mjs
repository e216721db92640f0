/**
 * HTTP/1.1 over kept-alive connections with as little work as possible: client and service share the machine, and what
 * the client needs is taken from the service.
 */
import { connect } from 'node:net';

export class HttpLoad {
  #host;
  #port;
  #connections = [];

  constructor(url) {
    const { hostname, port } = new URL(url);
    this.#host = hostname;
    this.#port = Number(port);
  }

  async open(count) {
    while (this.#connections.length < count) {
      this.#connections.push(await Connection.open(this.#host, this.#port));
    }
    return this;
  }

  /** One request on one of the connections. */
  request(method, path, { body, connection = 0, headers = '' } = {}) {
    const text = body === undefined ? '' : JSON.stringify(body);
    const content =
      body === undefined ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`;
    return this.#connections[connection].send(
      `${method} ${path} HTTP/1.1\r\nhost: ${this.#host}:${this.#port}\r\n${headers}${content}\r\n${text}`,
    );
  }

  /** `next(i)` gives the request of that number, or undefined for the end; every connection has one under way. */
  async run(next) {
    let index = 0;
    await Promise.all(
      this.#connections.map(async (_, connection) => {
        for (;;) {
          const wanted = next(index++);
          if (wanted === undefined) return;
          const answer = await this.request(wanted.method, wanted.path, { ...wanted, connection });
          wanted.check?.(answer);
        }
      }),
    );
  }

  close() {
    for (const connection of this.#connections) connection.close();
  }
}

class Connection {
  #socket;
  #received = Buffer.alloc(0);
  #waiting;

  static open(host, port) {
    return new Promise((resolve, reject) => {
      const connection = new Connection();
      const socket = connect({ host, port, noDelay: true }, () => resolve(connection));
      connection.#socket = socket;
      socket.on('data', (chunk) => connection.#receive(chunk));
      const fail = (error) => {
        reject(error);
        connection.#waiting?.reject(error);
        connection.#waiting = undefined;
      };
      socket.on('error', fail);
      socket.on('close', () => fail(new Error('the service closed the connection')));
    });
  }

  send(text) {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(text);
    });
  }

  close() {
    this.#socket.destroy();
  }

  #receive(chunk) {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.#received.toString('latin1', 0, end);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? (/transfer-encoding/i.test(head) ? -1 : 0));
    if (length < 0) throw new Error('chunked answers are not read here');
    if (this.#received.length < end + 4 + length) return;
    const body = this.#received.toString('utf8', end + 4, end + 4 + length);
    this.#received = this.#received.subarray(end + 4 + length);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve({
      status: Number(head.slice(9, 12)),
      header: (name) => new RegExp(`\r\n${name}: ([^\r]*)`, 'i').exec(head)?.[1],
      body,
    });
  }
}
