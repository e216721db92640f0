/** The `booking.js` that docs/migrating-from-durable-functions.md imports for what it registers. */
export {};
