/** The harness' side of a driver process. */
import { fork } from 'node:child_process';
import { openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const driver = fileURLToPath(new URL('./driver.mjs', import.meta.url));

/** The same for every system: `npm start` and the image run Perdure with it, and it does the peers good as well. */
export const nodeFlags = ['--max-semi-space-size=64'];

export class SystemProcess {
  #child;
  #pending = new Map();
  #next = 0;
  #failure;

  /** @param options `name`, `node` (program), `log` (file), `profileDir`, `env` (more variables) */
  static async start({ name, node, log, profileDir, timeoutMs, env = {} }) {
    const self = new SystemProcess();
    const output = openSync(log, 'a');
    self.#child = fork(driver, [name], {
      execPath: node,
      execArgv: [
        ...nodeFlags,
        ...(profileDir ? ['--cpu-prof', `--cpu-prof-dir=${profileDir}`, '--cpu-prof-interval=500'] : []),
      ],
      stdio: ['ignore', output, output, 'ipc'],
      env: { ...process.env, NODE_ENV: 'production', NODE_NO_WARNINGS: '1', ...env },
    });
    self.timeoutMs = timeoutMs;
    const ready = new Promise((resolve, reject) => {
      self.#child.on('message', (message) => (message.ready ? resolve() : self.#settle(message)));
      self.#child.on('exit', (code, signal) => {
        self.#failure = new Error(`the process of ${name} ended (${signal ?? code}): see ${log}`);
        reject(self.#failure);
        for (const { reject: fail } of self.#pending.values()) fail(self.#failure);
        self.#pending.clear();
      });
    });
    await ready;
    return self;
  }

  get pid() {
    return this.#child.pid;
  }

  open(environment) {
    return this.#call('open', [environment]);
  }

  run(workload, parameters = {}) {
    return this.#call('run', [workload, parameters]);
  }

  /** Lets the system stop in order; ends the process when it does not. */
  async stop() {
    const ended = this.#ended();
    if (!this.#failure) {
      const closed = this.#call('close', []).catch(() => undefined);
      await Promise.race([closed, pause(2_000)]);
      if (this.#child.connected) this.#child.disconnect();
    }
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(kill);
  }

  #ended() {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => child.once('exit', () => resolve()));
  }

  #call(call, args) {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new Error(`no result within ${this.timeoutMs / 1_000} s`));
      }, this.timeoutMs);
      const done = (settle) => (value) => {
        clearTimeout(timer);
        settle(value);
      };
      this.#pending.set(id, { resolve: done(resolve), reject: done(reject) });
      this.#child.send({ id, call, args });
    });
  }

  #settle({ id, value, error }) {
    const call = this.#pending.get(id);
    this.#pending.delete(id);
    if (error !== undefined) call?.reject(new Error(error));
    else call?.resolve(value);
  }
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms).unref());
}
