/**
 * Versions: new code for new instances, while those that run go on with the code that they began with. Here a delivery got
 * a step more; parcels that were under way at the time never take it.
 */
import { activity, orchestration } from 'perdure';

// What ran first. It stays until the last instance of it has ended.
export const delivery1 = orchestration('Delivery', { version: '1.0' }, async (ctx, parcel: string) => {
  await ctx.waitForExternalEvent('PickedUp');
  return await ctx.callActivity(deliver, parcel);
});

// Parcels are weighed first. In the code above this line would contradict the history of every parcel that waits there.
export const delivery2 = orchestration('Delivery', { version: '2.0' }, async (ctx, parcel: string) => {
  const weight = await ctx.callActivity(weigh, parcel);
  await ctx.waitForExternalEvent('PickedUp');
  return await ctx.callActivity(deliver, `${parcel} of ${weight} kg`);
});

export const weigh = activity('Weigh', async (parcel: string) => parcel.length);

export const deliver = activity('Deliver', async (parcel: string) => `delivered: ${parcel}`);
