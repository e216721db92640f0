/** The accounts between which docs/programming-model.md moves money. */
import { entity } from 'perdure';

export const account = entity('Account', {
  initialState: () => 0,
  operations: {
    balance: (ctx) => ctx.state,
    withdraw: (ctx, amount: number) => {
      ctx.state -= amount;
    },
    deposit: (ctx, amount: number) => {
      ctx.state += amount;
    },
  },
});
