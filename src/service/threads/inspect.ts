/**
 * Asks a thread whose event loop stands still what it is doing. The question is answered between two instructions of whatever
 * runs, an endless loop or a regular expression; only code outside of JavaScript cannot be asked.
 */
import { Session } from 'node:inspector';
import { probeName, type ProbeAnswer } from './protocol.ts';

/** An answer takes a millisecond. */
const timeoutMs = 300;
const question = JSON.stringify({
  id: 1,
  method: 'Runtime.evaluate',
  params: { expression: `globalThis[Symbol.for(${JSON.stringify(probeName)})]?.()`, returnByValue: true },
});

/** @returns `undefined` when it does not answer */
export async function inspect(threadId: number): Promise<ProbeAnswer | undefined> {
  const session = new Session();
  session.connect();
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<ProbeAnswer | undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), timeoutMs);
      // Which of them it is, only its answer says.
      session.on('NodeWorker.attachedToWorker', ({ params: { sessionId } }) => {
        session.post('NodeWorker.sendMessageToWorker', { sessionId, message: question });
      });
      session.on('NodeWorker.receivedMessageFromWorker', ({ params: { message } }) => {
        const answer = answerIn(message);
        if (answer?.threadId === threadId) resolve(answer);
      });
      session.post('NodeWorker.enable', { waitForDebuggerOnStart: false });
    });
  } catch {
    return undefined; // the thread has just ended
  } finally {
    clearTimeout(timer);
    session.disconnect();
  }
}

function answerIn(message: string): ProbeAnswer | undefined {
  const { result } = JSON.parse(message) as { readonly result?: { readonly result?: { readonly value?: unknown } } };
  const value = result?.result?.value;
  return typeof value === 'string' ? (JSON.parse(value) as ProbeAnswer) : undefined;
}
