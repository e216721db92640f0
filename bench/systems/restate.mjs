/** Restate: its server with its own log beside the service; everything goes through the server's ingress. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import * as restate from '@restatedev/restate-sdk';
import * as clients from '@restatedev/restate-sdk-clients';
import { chainMetrics, Counter, each, idleCpu, latencies, now, pause } from '../lib/driver-tools.mjs';
import { installedVersion } from '../lib/versions.mjs';

const inFlight = 256;
const cities = ['Tokyo', 'Seattle', 'London', 'Paris', 'Nairobi'];
const ended = new Counter();
const waiting = new Counter();
let ticks = [];

const flows = restate.service({
  name: 'flows',
  handlers: {
    hello: async (ctx) => {
      const greetings = [];
      for (const city of cities) greetings.push(await ctx.run('sayHello', () => `Hello ${city}!`));
      return greetings;
    },
    fanOut: async (ctx, width) => {
      const steps = Array.from({ length: width }, (_, index) => ctx.run(`n${index}`, () => null));
      return (await restate.RestatePromise.all(steps)).length;
    },
    chain: async (ctx, steps) => {
      for (let index = 0; index < steps; index++) {
        await ctx.run(`s${index}`, () => {
          ticks.push(now());
          return null;
        });
      }
      return steps;
    },
  },
});
const waits = restate.workflow({
  name: 'waits',
  handlers: {
    run: async (ctx) => {
      waiting.add();
      const value = await ctx.promise('go');
      ended.add();
      return value;
    },
    go: async (ctx, value) => ctx.promise('go').resolve(value),
  },
});

async function open() {
  const [servicePort, ingressPort, adminPort, nodePort] = await freePorts(4);
  const baseDir = mkdtempSync(join(tmpdir(), 'bench-restate-'));
  const binary = createRequire(
    createRequire(import.meta.url).resolve('@restatedev/restate-server/package.json'),
  ).resolve(`@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`);
  const server = spawn(binary, ['--no-logo', '--listen-mode', 'tcp'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      RESTATE_BASE_DIR: baseDir,
      RESTATE_BIND_IP: '127.0.0.1',
      RESTATE_BIND_PORT: String(nodePort),
      RESTATE_INGRESS__BIND_PORT: String(ingressPort),
      RESTATE_ADMIN__BIND_PORT: String(adminPort),
      RESTATE_LOG_FILTER: 'error',
      RESTATE_DISABLE_TELEMETRY: 'true',
      DO_NOT_TRACK: '1',
    },
  });
  process.once('exit', () => server.kill('SIGKILL'));
  const silent = () => undefined;
  await restate.serve({ services: [flows, waits], port: servicePort, logger: silent });
  await register(adminPort, servicePort);
  const ingress = clients.connect({ url: `http://127.0.0.1:${ingressPort}` });
  const service = ingress.serviceClient(flows);

  async function runHello({ count, warmUp = 0 }) {
    if (warmUp > 0) await runHello({ count: warmUp });
    const startedAt = now();
    await each(count, inFlight, () => service.hello());
    return { perSecond: (count / (now() - startedAt)) * 1_000 };
  }
  const workloads = {
    hello: runHello,
    latency: async ({ count, warmUp = 0 }) => {
      const times = [];
      for (let i = -warmUp; i < count; i++) {
        const startedAt = now();
        await service.hello();
        if (i >= 0) times.push(now() - startedAt);
      }
      return latencies(times);
    },
    fanOut: async ({ count, warmUp = 0 }) => {
      if (warmUp > 0) await service.fanOut(warmUp);
      const startedAt = now();
      await service.fanOut(count);
      return { perSecond: (count / (now() - startedAt)) * 1_000 };
    },
    chain: async ({ count, warmUp = 0 }) => {
      if (warmUp > 0) await service.chain(warmUp);
      ticks = [];
      const startedAt = now();
      await service.chain(count);
      return chainMetrics(ticks, startedAt);
    },
    events: async ({ count }) => {
      const allWait = waiting.after(count);
      await each(count, inFlight, (index) => ingress.workflowClient(waits, `w${index}`).workflowSubmit());
      await allWait;
      await pause(1_000);
      const counted = ended.after(count);
      const startedAt = now();
      await each(count, inFlight, (index) => ingress.workflowClient(waits, `w${index}`).go(index));
      await counted;
      return { perSecond: (count / (now() - startedAt)) * 1_000 };
    },
    idle: ({ seconds }) => idleCpu(seconds, () => cpuMsOf(server.pid)),
  };
  return {
    workloads,
    close: async () => {
      const gone = new Promise((done) => server.once('exit', done));
      server.kill('SIGKILL');
      await gone;
      rmSync(baseDir, { recursive: true, force: true });
    },
  };
}

async function register(adminPort, servicePort) {
  const deadline = now() + 30_000;
  for (;;) {
    try {
      const answer = await fetch(`http://127.0.0.1:${adminPort}/deployments`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ uri: `http://127.0.0.1:${servicePort}` }),
      });
      if (answer.ok) return;
      throw new Error(`Restate does not register the service: ${answer.status} ${await answer.text()}`);
    } catch (error) {
      if (now() > deadline) throw error;
      await pause(100);
    }
  }
}

async function freePorts(count) {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((resolve) => {
          const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

/** CPU time of another process, where the system tells. */
async function cpuMsOf(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return 0;
  }
}

export default {
  version: `server ${installedVersion('@restatedev/restate-server')}, sdk ${installedVersion('@restatedev/restate-sdk')}`,
  settings: `one node with its own log (defaults), request and response through the ingress, ${inFlight} in flight`,
  open,
};
