/**
 * The aggregator: data that comes in from everywhere, at any time, and is kept as one small state. Here the ratings of
 * products: each product is an entity, to which every customer's stars are sent.
 */
import { entity, http } from 'perdure';

export const rating = entity('Rating', {
  initialState: () => ({ votes: 0, stars: 0 }),
  operations: {
    // Operations of one entity run one after the other: no vote is lost, and no lock is needed.
    vote: (ctx, stars: number) => {
      if (stars < 1 || stars > 5) throw new RangeError(`${stars} is no number of stars.`); // nothing is changed
      ctx.state.votes += 1;
      ctx.state.stars += stars;
    },
  },
});

/** `POST /api/products/{product}/ratings`, the stars as the body: sends a vote; it is counted a moment later. */
export const vote = http(
  'Vote',
  { methods: ['POST'], route: 'products/{product}/ratings' },
  async (request, client) => {
    await client.signalEntity(rating.id(request.params['product'] ?? ''), 'vote', Number(await request.text()));
    return new Response(null, { status: 202 });
  },
);

/** `GET /api/products/{product}/ratings`: what it comes to. */
export const average = http(
  'Average',
  { methods: ['GET'], route: 'products/{product}/ratings' },
  async (request, client) => {
    const { entityExists, entityState } = await client.readEntityState(rating.id(request.params['product'] ?? ''));
    if (!entityExists) return Response.json({ error: 'Nobody has voted yet.' }, { status: 404 });
    return { votes: entityState.votes, average: entityState.stars / entityState.votes };
  },
);
