#!/usr/bin/env node
/** The process entry: checks Node, reads the command line, runs a command to its end. */

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`perdure: Node.js 20.19 or newer is needed, this is ${process.versions.node}: see nodejs.org\n`);
  process.exit(1);
}

// Only now: on an older Node loading the rest would fail with an error that explains nothing.
const { createProgram } = await import('./cli/main.ts');
const { run } = await import('./cli/run.ts');
const { environment } = await import('./config.ts');
const { packageVersion } = await import('./package-root.ts');
const { interruption } = await import('./cli/interruption.ts');

const surroundings = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: environment,
  get signal() {
    return interruption();
  },
};
// Whoever reads a pipe may have enough of it (`perdure list | head`). The service goes on without its log.
let isService = false;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE' && !isService) process.exit(0);
});

const program = createProgram(
  {
    start: async ({ modules, flags }) => {
      isService = true;
      // Loaded when needed, so that --help answers at once.
      const { serve } = await import('./service/serve.ts');
      await serve({ modules, flags });
    },
    examineDatabase: async (request) => {
      const { examineDatabase } = await import('./service/doctor.ts');
      return await examineDatabase(request);
    },
    keys: async (request) => {
      const { manageKeys } = await import('./service/keys.ts');
      await manageKeys(request);
    },
    migrate: async (request) => {
      const { migrateSchema } = await import('./service/migrate.ts');
      await migrateSchema(request);
    },
    retention: async (request) => {
      const { manageRetention } = await import('./service/retention.ts');
      await manageRetention(request);
    },
    export: async (request) => {
      const { exportToFile } = await import('./service/export.ts');
      await exportToFile(request);
    },
    import: async (request) => {
      const { importFromFile } = await import('./service/import.ts');
      await importFromFile(request);
    },
  },
  packageVersion(),
  surroundings,
);

try {
  process.exitCode = await run(program, process.argv.slice(2), surroundings);
} catch (error) {
  const { explain } = await import('./service/explain.ts');
  process.stderr.write(`perdure: ${explain(error)}\n`);
  process.exit(1);
}

export {};
