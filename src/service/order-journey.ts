/** The order sample's journey as lines for a shell: start, look, approve, and another order that is ended and purged. */
import { randomBytes } from 'node:crypto';
import type { Config } from '../config.ts';

const json = "-H 'Content-Type: application/json'";

/** Lines to be copied one by one; ids are new at each start, so that a second try does not meet the first one. */
export function orderJourney(config: Pick<Config, 'http'>, url: string): readonly string[] {
  const api = `${url}/runtime/webhooks/durabletask`;
  const approved = `order-${randomBytes(3).toString('hex')}`;
  const ended = `order-${randomBytes(3).toString('hex')}`;
  const start = (id: string) =>
    `curl -i -X POST ${link(`${api}/orchestrators/OrderOrchestrator/${id}`)} ${json} -d '${order(id)}'`;
  const post = (id: string, operation: string) => `curl -i -X POST ${link(`${api}/instances/${id}/${operation}`)}`;
  const look = (id: string) => `curl -i ${link(`${api}/instances/${id}`)}`;
  // So that the lines also work when they are pasted all at once.
  const lookLater = (id: string) => `sleep 2; ${look(id)}`;
  function link(text: string): string {
    // The key itself stays out of terminals and logs.
    return config.http?.systemKey === undefined ? text : `"${text}?code=$PERDURE_SYSTEM_KEY"`;
  }
  return [
    '',
    'The order journey, to copy and paste:',
    '',
    '# Place an order as a customer does; the answer (202) has the links to follow and to steer it.',
    `curl -i -X POST ${url}/api/orders ${json} -d '${order('A-1001')}'`,
    '',
    '# Place one under an id of your own. After a moment it waits for approval: see its customStatus.',
    start(approved),
    lookLater(approved),
    '',
    '# Approve it, and see it completed.',
    `${post(approved, 'raiseEvent/Approval')} ${json} -d '"approved"'`,
    lookLater(approved),
    '',
    '# Place another, end it, remove it: the last answer is 404.',
    start(ended),
    post(ended, 'terminate'),
    lookLater(ended),
    `curl -i -X DELETE ${link(`${api}/instances/${ended}`)}`,
    look(ended),
  ];
}

function order(id: string): string {
  return JSON.stringify({ id, customer: 'Ann', item: 'T-shirt', amount: 30 });
}
