import { expect, it } from 'vitest';
import { createTestEnvironment } from 'perdure/testing';
import { ask, decision, expenseApproval } from './index.ts';

const functions = [expenseApproval, ask];
const input = { employee: 'Ann', amount: 120 };

it('the manager decides', async () => {
  const env = createTestEnvironment({ functions });
  const id = await env.client.startNew(expenseApproval, { input });
  await env.advance('2d');
  await env.client.raiseEvent(id, decision, { by: 'Mia', approved: true });
  expect(await env.outputOf(id)).toEqual({ approved: true, by: 'Mia' });
});

it('after three days the director is asked, after three more it is over', async () => {
  const env = createTestEnvironment({ functions });
  const id = await env.client.startNew(expenseApproval, { input });
  await env.advance('3d');
  expect((await env.client.getStatus(id))?.customStatus).toBe('{"waitingFor":"director"}');
  await env.advance('3d');
  expect(await env.outputOf(id)).toEqual({ approved: false, by: 'nobody' });
  expect(env.activityCalls(ask).map((call) => call.input)).toEqual([
    'To the manager: may Ann spend 120?',
    'To the director: may Ann spend 120?',
  ]);
});

it('an answer that says nothing is refused, and the wait goes on', async () => {
  const env = createTestEnvironment({ functions });
  const id = await env.client.startNew(expenseApproval, { input });
  await expect(env.client.raiseEvent(id, 'Decision', { by: 'Mia' })).rejects.toMatchObject({ code: 'InvalidArgument' });
  await env.client.raiseEvent(id, decision, { by: 'Mia', approved: false });
  expect(await env.outputOf(id)).toEqual({ approved: false, by: 'Mia' });
});
