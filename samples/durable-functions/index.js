// A module written for `durable-functions` v3. What was changed to run it here is its imports; see before.js.
import { app } from 'perdure/durable-functions';
import * as df from 'perdure/durable-functions';

df.app.activity('ReserveSeat', {
  handler: async (seat, context) => {
    context.log(`reserving seat ${seat}`);
    return `${seat} reserved`;
  },
});

let payments = 0;
const pay = df.app.activity('Pay', {
  handler: async ({ amount, failures = 0 }) => {
    payments += 1;
    if (payments <= failures) throw new Error('the bank does not answer');
    return { paid: amount };
  },
});

df.app.orchestration('Booking', function* (context) {
  const { seats, amount, failures } = context.df.getInput();

  // Fan out, fan in.
  const reserved = yield context.df.Task.all(seats.map((seat) => context.df.callActivity('ReserveSeat', seat)));

  const receipt = yield pay({ amount, failures }).withRetry(new df.RetryOptions(1_000, 3));

  // Wait for a person, but not for ever.
  const deadline = new Date(context.df.currentUtcDateTime.getTime() + 60 * 60 * 1_000);
  const timeout = context.df.createTimer(deadline);
  const approval = context.df.waitForExternalEvent('Approval');
  context.df.setCustomStatus('waiting for approval');
  const winner = yield context.df.Task.any([approval, timeout]);
  if (winner === timeout) return { reserved, receipt, approved: false };
  timeout.cancel();
  return { reserved, receipt, approved: approval.result };
});

app.http('BookingStart', {
  methods: ['POST'],
  route: 'bookings',
  extraInputs: [df.input.durableClient()],
  handler: async (request, context) => {
    const client = df.getClient(context);
    const instanceId = await client.startNew('Booking', { input: await request.json() });
    context.log(`started ${instanceId}`);
    return client.createCheckStatusResponse(request, instanceId);
  },
});
