/**
 * A system in a process of its own. The harness sends `{ id, call, args }` and gets `{ id, value }` or `{ id, error }`:
 * `open(environment)`, `run(workload, parameters)`, `close()`.
 */
const name = process.argv[2];
const { default: system } = await import(`../systems/${name}.mjs`);

let opened;
const calls = {
  open: async (environment) => {
    opened = await system.open(environment);
    return { version: system.version, settings: system.settings };
  },
  run: async (workload, parameters) => {
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    const result = await opened.workloads[workload](parameters);
    const used = process.cpuUsage(cpu);
    return { ...result, driverCpu: (used.user + used.system) / 1_000 / (performance.now() - startedAt) };
  },
  close: async () => {
    await opened?.close();
  },
};

process.on('message', async ({ id, call, args }) => {
  try {
    process.send({ id, value: await calls[call](...args) });
  } catch (error) {
    process.send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
// Whatever is still open belongs to a database that is about to be dropped.
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
process.on('SIGINT', () => undefined); // the harness decides
process.send({ ready: true });
