/** Requests that an HTTP server has answered, as numbers that are read when somebody looks. */

/** Upper bounds in seconds; requests may wait for the end of an orchestration. */
export const requestBounds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10, 60] as const;

/** Answers of one route with one status. */
export interface RequestCounts {
  readonly method: string;
  /** The pattern of the route, never a URL. */
  readonly route: string;
  readonly status: number;
  readonly buckets: number[];
  sum: number;
}

/** The answers of one route by status, so that counting looks nothing up but a number. */
export class RouteCounts {
  readonly #method: string;
  readonly #route: string;
  readonly #byStatus = new Map<number, RequestCounts>();

  constructor(method: string, route: string) {
    this.#method = method;
    this.#route = route;
  }

  answered(status: number, seconds: number): void {
    let counts = this.#byStatus.get(status);
    if (counts === undefined) {
      const buckets = Array.from({ length: requestBounds.length + 1 }, () => 0);
      counts = { method: this.#method, route: this.#route, status, buckets, sum: 0 };
      this.#byStatus.set(status, counts);
    }
    let at = 0;
    while (at < requestBounds.length && seconds > (requestBounds[at] ?? 0)) at += 1;
    counts.buckets[at] = (counts.buckets[at] ?? 0) + 1;
    counts.sum += seconds;
  }

  get all(): IterableIterator<RequestCounts> {
    return this.#byStatus.values();
  }
}

export class HttpCounts {
  readonly #routes: RouteCounts[] = [];

  /** Counts for one more route. */
  route(method: string, route: string): RouteCounts {
    const counts = new RouteCounts(method, route);
    this.#routes.push(counts);
    return counts;
  }

  get all(): readonly RequestCounts[] {
    return this.#routes.flatMap((route) => [...route.all]);
  }
}
