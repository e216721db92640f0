/**
 * Requests that are sent on one connection before their answers are read (pipelining), and answers that nobody reads. Node
 * parses every request of a chunk, and what is answered out of turn stays in memory until it is sent: a thousand requests
 * fit into a chunk, whatever their answers weigh.
 */
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Requests of one connection that are worked on, or answered and not yet sent, at a time. */
const maxOpen = 8;
/** Above so many that wait for their turn nothing more is read from the connection. */
const maxWaiting = 256;

interface Line {
  open: number;
  /** In the order in which they came. */
  readonly waiting: (() => void)[];
  isPaused: boolean;
  /** Whether somebody sees to it that it stays paused. */
  isGuarded: boolean;
}

/**
 * Lets a connection have so many requests at work and holds the others back; callers still get all answers, in order. To be
 * called before whatever measures requests: one that waits here has not begun, and is never begun when its caller leaves.
 * Closes connections whose callers take nothing of an answer for as long as the server's `timeout`.
 */
export function limitPipelining(app: FastifyInstance): void {
  const lines = new WeakMap<Socket, Line>();

  app.addHook('onRequest', (request, reply, done) => {
    const { socket } = request.raw;
    let line = lines.get(socket);
    if (line === undefined) {
      line = { open: 0, waiting: [], isPaused: false, isGuarded: false };
      lines.set(socket, line);
    }
    const own = line;
    const begin = (): void => {
      own.open += 1;
      // Comes after the last byte has left the process, or with the end of the connection.
      reply.raw.once('close', () => {
        own.open -= 1;
        goOn(socket, own);
      });
      reply.raw.on('timeout', closeUnread);
      done();
    };
    if (own.open < maxOpen && own.waiting.length === 0) return begin();
    own.waiting.push(begin);
    if (own.waiting.length > maxWaiting && !own.isPaused) hold(socket, own);
  });
}

/**
 * Node would close whatever is silent for so long, unless somebody listens. An answer may take its time (long polls, streams);
 * one that was given wants to be read.
 */
function closeUnread(socket: Socket): void {
  if (socket.writableLength > 0) socket.destroy();
}

/** Begins those whose turn it is. */
function goOn(socket: Socket, line: Line): void {
  if (socket.destroyed) {
    line.waiting.length = 0;
    return;
  }
  while (line.open < maxOpen) {
    const next = line.waiting.shift();
    if (next === undefined) break;
    next();
  }
  if (line.isPaused && line.waiting.length <= maxWaiting / 2) {
    line.isPaused = false;
    socket.resume();
  }
}

/** Node resumes a socket for reasons of its own, such as a body that is wanted: that of one that waits can wait, too. */
function hold(socket: Socket, line: Line): void {
  line.isPaused = true;
  socket.pause();
  if (line.isGuarded) return;
  line.isGuarded = true;
  socket.on('resume', () => {
    if (line.isPaused) socket.pause();
  });
}
