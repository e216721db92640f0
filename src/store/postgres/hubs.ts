/** Task hubs: names compared without case, created on first use. */
import { statement, type Runner, type Tables } from './sql.ts';

export class Hubs {
  readonly #runner: Runner;
  readonly #find;
  readonly #create;
  /** Hubs are never deleted, so what was found once stays true. */
  readonly #known = new Map<string, number>();

  constructor(runner: Runner, tables: Tables) {
    this.#runner = runner;
    this.#find = statement('find_hub', `select id from ${tables.hubs} where lower(name) = lower($1)`);
    this.#create = statement('create_hub', `insert into ${tables.hubs} (name) values ($1) on conflict do nothing`);
  }

  async find(name: string): Promise<number | undefined> {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const [row] = await this.#runner.rows<{ id: number }>(this.#find, [name]);
    if (row !== undefined) this.#known.set(name, row.id);
    return row?.id;
  }

  async ensure(name: string): Promise<number> {
    const found = await this.find(name);
    if (found !== undefined) return found;
    await this.#runner.rows(this.#create, [name]);
    const created = await this.find(name);
    if (created === undefined) throw new Error(`the task hub '${name}' could not be created`);
    return created;
  }
}
