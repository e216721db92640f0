/** A histogram whose counts are kept elsewhere and read when somebody looks. */
import { Histogram, type Registry } from 'prom-client';

/** One series. */
export interface HistogramSeries {
  readonly labels: Readonly<Record<string, string>>;
  /** How often a value was at most each bound and above the one before; the last one is what is above all. */
  readonly buckets: readonly number[];
  readonly sum: number;
}

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class CollectedHistogram extends Histogram {
  readonly #shape: { readonly name: string; readonly help: string };
  readonly #bounds: readonly number[];
  readonly #read: () => Promise<readonly HistogramSeries[]>;

  constructor(
    description: { readonly name: string; readonly help: string; readonly labelNames: readonly string[] },
    source: {
      readonly registry: Registry;
      readonly bounds: readonly number[];
      readonly read: () => Promise<readonly HistogramSeries[]>;
    },
  ) {
    const { name, help, labelNames } = description;
    super({ name, help, labelNames: [...labelNames], buckets: [...source.bounds], registers: [source.registry] });
    this.#shape = { name, help };
    this.#bounds = source.bounds;
    this.#read = source.read;
  }

  /** What `get()` and the text of the registry are made of, in place of what was observed here. */
  async getForPromString(): Promise<object> {
    const values = (await this.#read()).flatMap((series) => this.#samples(series));
    return { ...this.#shape, type: 'histogram', aggregator: 'sum', values };
  }

  #samples({ labels, buckets, sum }: HistogramSeries): readonly Sample[] {
    const { name } = this.#shape;
    let count = 0;
    const cumulative = buckets.map((inBucket, at) => {
      count += inBucket;
      const le = at < this.#bounds.length ? `${this.#bounds[at]}` : '+Inf';
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
    });
    return [
      ...cumulative,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}
