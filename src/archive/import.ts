/** Brings instances back from JSON Lines, for `perdure import`. What was imported stays when a later line is wrong. */
import { isTerminal, type RuntimeStatus } from '../model/instance.ts';
import type { ArchiveStore, BroughtChild, StoredInstance } from '../store/archive-store.ts';
import type { ArchiveHeader } from './format.ts';
import { ImportError } from './import-error.ts';
import { readHeader, readLine } from './parse.ts';
import { splitLines } from './split-lines.ts';

/** What is stored in one transaction. */
const maxInstances = 200;
const maxRows = 5_000;
const maxLength = 8 * 1_048_576;

export interface ImportOptions {
  readonly store: ArchiveStore;
  readonly hubId: number;
  /** The file, perhaps compressed with gzip. */
  readonly chunks: AsyncIterable<Buffer>;
  /** What to do with an id that another instance has. */
  readonly onTaken: 'skip' | 'refuse';
  /** What to do with instances that had not ended when they were exported. */
  readonly onLive: 'skip' | 'refuse';
}

/** What became of the instances of a file. */
export interface ImportSum {
  readonly imported: number;
  /** They were there already. */
  readonly present: number;
  /** Another instance has their id. */
  readonly taken: number;
  /** They had not ended. */
  readonly live: number;
}

/** @throws ImportError that says in which line what is wrong */
export async function importInstances(options: ImportOptions): Promise<ImportSum> {
  const importer = new Importer(options);
  let header: ArchiveHeader | undefined;
  let number = 0;
  try {
    for await (const line of splitLines(options.chunks)) {
      number += 1;
      if (header === undefined) header = readHeader(line);
      else if (line.trim() !== '') await importer.take(line, number);
    }
    await importer.flush();
    if (header === undefined) throw new Error('the file is empty');
    importer.checkEnd(header);
  } catch (error) {
    // What came before the bad line is as good as it was.
    if (!(error instanceof ImportError)) await importer.flush().catch(() => undefined);
    await importer.link();
    throw explained(error, number, importer.sum);
  }
  await importer.link();
  return importer.sum;
}

function explained(error: unknown, line: number, sum: ImportSum): unknown {
  // What the database says is no matter of the file.
  if (!(error instanceof Error) || ('code' in error && error.name === 'DurableError')) return error;
  const before = sum.imported + sum.present === 0 ? '' : ` What comes before it was imported (${sum.imported} new).`;
  return new ImportError(`line ${line}: ${error.message}.${before}`, { cause: error });
}

class Importer {
  readonly #options: ImportOptions;
  readonly #sum = { imported: 0, present: 0, taken: 0, live: 0 };
  #batch: { readonly instance: StoredInstance; readonly line: number }[] = [];
  #rows = 0;
  #length = 0;
  #lines = 0;
  #end: number | undefined;
  /** Children whose parents have not been met. */
  #apart: BroughtChild[] = [];

  constructor(options: ImportOptions) {
    this.#options = options;
  }

  get sum(): ImportSum {
    return { ...this.#sum };
  }

  async take(text: string, line: number): Promise<void> {
    if (this.#end !== undefined) throw new Error('there is something behind the last line');
    const read = readLine(text);
    if (read.kind === 'end') {
      this.#end = read.instances;
      return;
    }
    this.#lines += 1;
    const { instance, hasHistory } = read;
    const { instanceId, status } = instance;
    if (!isTerminal(status as RuntimeStatus)) {
      if (this.#options.onLive === 'refuse') {
        throw new Error(
          `'${instanceId}' is ${status}: only what has ended can be imported, or it might go on twice; --skip-live leaves such instances out`,
        );
      }
      this.#sum.live += 1;
      return;
    }
    if (!hasHistory) throw new Error(`'${instanceId}' has no history: export it with --with-history`);
    if (instance.completedAt === null) throw new Error(`'${instanceId}' has ended, but does not say when`);
    this.#batch.push({ instance, line });
    this.#rows += instance.history.length;
    this.#length += text.length;
    const isFull = this.#batch.length >= maxInstances || this.#rows >= maxRows || this.#length >= maxLength;
    if (isFull) await this.flush();
  }

  async flush(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#rows = 0;
    this.#length = 0;
    if (batch.length === 0) return;
    const { store, hubId, onTaken } = this.#options;
    // The second of one id is there already, or its id is taken.
    const byId = new Map(batch.map((one) => [one.instance.instanceId, one]));
    const unique = batch.filter((one) => byId.get(one.instance.instanceId) === one);
    const outcomes = await store.insertEnded(
      hubId,
      unique.map((one) => one.instance),
    );
    let refused: { readonly instance: StoredInstance; readonly line: number } | undefined;
    for (const [index, one] of unique.entries()) {
      const outcome = outcomes[index];
      if (outcome === 'created') this.#sum.imported += 1;
      else if (outcome === 'present') this.#sum.present += 1;
      else {
        this.#sum.taken += 1;
        refused ??= one;
        continue;
      }
      const parentInstanceId = parentOf(one.instance);
      if (parentInstanceId !== undefined) {
        this.#apart.push({ instanceId: one.instance.instanceId, parentInstanceId });
      }
    }
    this.#sum.present += batch.length - unique.length;
    if (this.#apart.length >= maxInstances) await this.link();
    if (refused !== undefined && onTaken === 'refuse') {
      throw new ImportError(
        `line ${refused.line}: another instance has the id '${refused.instance.instanceId}' (others of the same batch were imported)`,
      );
    }
  }

  /** Puts children below their parents, as far as these are there; what is not found now may come later. */
  async link(): Promise<void> {
    const { store, hubId } = this.#options;
    const still: BroughtChild[] = [];
    for (let at = 0; at < this.#apart.length; at += maxInstances) {
      const some = this.#apart.slice(at, at + maxInstances);
      const linked = await store.linkChildren(hubId, some);
      still.push(...some.filter((child) => !linked.has(child.instanceId)));
    }
    this.#apart = still;
  }

  /** @throws Error when a file that promises a last line has none, or another number of instances */
  checkEnd({ closed }: ArchiveHeader): void {
    if (!closed) return;
    if (this.#end === undefined) throw new Error('the file ends without its last line: it has been cut off');
    if (this.#end !== this.#lines) {
      throw new Error(`the file has ${this.#lines} instances, and its last line says ${this.#end}`);
    }
  }
}

function parentOf({ parent }: StoredInstance): string | undefined {
  if (parent === null) return undefined;
  const { instanceId } = JSON.parse(parent) as { readonly instanceId: string };
  return instanceId;
}
