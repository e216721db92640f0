// A node whose clock is wrong (F65): everything that asks JavaScript for the time gets it shifted.
const shiftMs = Number(process.env.CHAOS_CLOCK_SHIFT_MS ?? 0);
if (shiftMs !== 0) {
  const RealDate = globalThis.Date;
  globalThis.Date = class Date extends RealDate {
    constructor(...values) {
      if (values.length === 0) super(RealDate.now() + shiftMs);
      else super(...values);
    }

    static now() {
      return RealDate.now() + shiftMs;
    }
  };
}
