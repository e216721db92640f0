/**
 * Critical sections: an orchestration that has several entities to itself for a while. Here money goes from one account to
 * another; between looking at the balance and taking the money nobody else gets in.
 */
import { entity, orchestration } from 'perdure';

export const account = entity('Account', {
  initialState: 0,
  operations: {
    balance: (ctx) => ctx.state,
    deposit: (ctx, amount: number) => (ctx.state += amount),
    withdraw: (ctx, amount: number) => (ctx.state -= amount),
  },
});

interface Transfer {
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

export const transfer = orchestration('Transfer', async (ctx, { from, to, amount }: Transfer) => {
  const [source, target] = [account.id(from), account.id(to)];

  // Waits until both are free. Everybody takes locks in the same order, so nobody waits in a circle.
  const lock = await ctx.lock([source, target]);
  const balance = await ctx.callEntity(source, 'balance');
  if (balance < amount) return { moved: 0, reason: `${from} has only ${balance}` }; // the end gives the locks back
  await ctx.callEntity(source, 'withdraw', amount);
  await ctx.callEntity(target, 'deposit', amount);
  lock.release(); // earlier than the end, when there is more to do that needs no lock

  return { moved: amount };
});
