#!/usr/bin/env node
/** The process entry: checks Node, reads the command line, runs the service until a signal, and ends in order. */

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`perdure: Node.js 20.19 or newer is needed, this is ${process.versions.node}: see nodejs.org\n`);
  process.exit(1);
}

// Only now: on an older Node loading the rest would fail with an error that explains nothing.
const { createProgram } = await import('./cli/main.ts');
const { packageVersion } = await import('./package-root.ts');

const program = createProgram(
  {
    start: async ({ modules, flags }) => {
      // Loaded when needed, so that --help answers at once.
      const { serve } = await import('./service/serve.ts');
      await serve({ modules, flags });
    },
    keys: async (request) => {
      const { manageKeys } = await import('./service/keys.ts');
      await manageKeys(request);
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
);

try {
  await program.parseAsync();
} catch (error) {
  const { explain } = await import('./service/explain.ts');
  process.stderr.write(`perdure: ${explain(error)}\n`);
  process.exit(1);
}

export {};
