/**
 * The saga: several steps, each in another system, that succeed together or are taken back. There is no transaction over
 * all of them; instead every step has a step that undoes it. Here a trip is booked: a flight, a hotel, a car.
 */
import { activity, NonRetriableError, orchestration, type ActivityDefinition, type RetryPolicy } from 'perdure';

interface Trip {
  readonly traveller: string;
  readonly city: string;
  /** For trying things out: what is sold out. */
  readonly soldOut?: 'flight' | 'hotel' | 'car';
}

export const bookTrip = orchestration('BookTrip', async (ctx, trip: Trip) => {
  // What has to be undone if a later step fails; it grows with every step that has succeeded.
  const undo: { readonly cancel: ActivityDefinition<string, void>; readonly booking: string }[] = [];
  try {
    const flight = await ctx.callActivity(bookFlight, trip);
    undo.push({ cancel: cancelFlight, booking: flight });

    const hotel = await ctx.callActivity(bookHotel, trip);
    undo.push({ cancel: cancelHotel, booking: hotel });

    const car = await ctx.callActivity(bookCar, trip);
    return { booked: [flight, hotel, car] };
  } catch (error) {
    // The last step first. Undoing has to succeed in the end: it is tried for a week.
    for (const { cancel, booking } of undo.reverse()) await ctx.callActivity(cancel, booking, { retry: untilItWorks });
    return { booked: [], reason: error instanceof Error ? error.message : String(error) };
  }
});

const untilItWorks: RetryPolicy = {
  firstRetryIntervalInMilliseconds: 1_000,
  backoffCoefficient: 2,
  maxRetryIntervalInMilliseconds: 3_600_000,
  maxNumberOfAttempts: 180,
};

export const bookFlight = activity('BookFlight', async (trip: Trip, ctx) => book('flight', trip, ctx.taskId));
export const bookHotel = activity('BookHotel', async (trip: Trip, ctx) => book('hotel', trip, ctx.taskId));
export const bookCar = activity('BookCar', async (trip: Trip, ctx) => book('car', trip, ctx.taskId));

export const cancelFlight = activity('CancelFlight', async (booking: string, ctx) =>
  ctx.log.info('cancelled', { booking }),
);
export const cancelHotel = activity('CancelHotel', async (booking: string, ctx) =>
  ctx.log.info('cancelled', { booking }),
);

/** A stand-in. A real one sends the key along, so that a booking made twice after a crash is one booking. */
function book(what: NonNullable<Trip['soldOut']>, { city, soldOut }: Trip, _idempotencyKey: string): string {
  if (soldOut === what) throw new NonRetriableError(`no ${what} left in ${city}`);
  return `${what} to ${city}`;
}
