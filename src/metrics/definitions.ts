/** Metrics that are read when somebody looks; each has the label `hub`. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { CollectedHistogram, type HistogramSeries } from './histogram.ts';

type Labels = Readonly<Record<string, string>>;

/** One value, with the labels beside the hub's. */
export type Sample = readonly [value: number, labels?: Labels];

type Read<Value> = () => readonly Value[] | Promise<readonly Value[]>;

export class Definitions {
  readonly #registry: Registry;
  readonly #common: Labels;

  constructor(registry: Registry, common: Labels) {
    this.#registry = registry;
    this.#common = common;
  }

  counter(name: string, help: string, labels: readonly string[], read: Read<Sample>): void {
    const common = this.#common;
    new Counter({
      ...{ name, help, labelNames: [...Object.keys(common), ...labels], registers: [this.#registry] },
      async collect() {
        this.reset();
        for (const [value, own] of await read()) this.inc({ ...common, ...own }, value);
      },
    });
  }

  gauge(name: string, help: string, labels: readonly string[], read: Read<Sample>): void {
    const common = this.#common;
    new Gauge({
      ...{ name, help, labelNames: [...Object.keys(common), ...labels], registers: [this.#registry] },
      async collect() {
        this.reset();
        for (const [value, own] of await read()) this.set({ ...common, ...own }, value);
      },
    });
  }

  histogram(
    description: { readonly name: string; readonly help: string; readonly labels: readonly string[] },
    bounds: readonly number[],
    read: Read<HistogramSeries>,
  ): void {
    const { name, help, labels } = description;
    const common = this.#common;
    new CollectedHistogram(
      { name, help, labelNames: [...Object.keys(common), ...labels] },
      {
        ...{ registry: this.#registry, bounds },
        read: async () => (await read()).map((series) => ({ ...series, labels: { ...common, ...series.labels } })),
      },
    );
  }
}
