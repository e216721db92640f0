/**
 * A folder that keeps what retention removes. A file grows by one gzip member for each batch, which is on the disk before the
 * batch is removed: whatever breaks off, the members before can be read.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip as gzipCallback } from 'node:zlib';
import type { InstanceKey } from '../model/work.ts';
import type { ArchiveStore } from '../store/archive-store.ts';
import { headerLine } from './format.ts';
import { linesOf } from './lines.ts';

const gzip = promisify(gzipCallback);

/** Then the next file is begun. */
const maxFileBytes = 256 * 1_048_576;

export interface ArchiveFolderOptions {
  readonly folder: string;
  readonly store: ArchiveStore;
  readonly taskHub: string;
  /** Default 268,435,456. */
  readonly maxFileBytes?: number;
}

export class ArchiveFolder {
  readonly #options: ArchiveFolderOptions;
  #file: FileHandle | undefined;
  #bytes = 0;

  constructor(options: ArchiveFolderOptions) {
    this.#options = options;
  }

  /** Returns when they are on the disk. @returns how many there were */
  async write(keys: readonly InstanceKey[]): Promise<number> {
    let count = 0;
    try {
      for await (const { text, instances } of linesOf(this.#options.store, keys, { history: true })) {
        await this.#append(text);
        count += instances;
      }
      await this.#file?.sync();
    } catch (error) {
      // It may end in half a member: the next batch goes to another file.
      await this.close().catch(() => undefined);
      throw error;
    }
    if (this.#bytes >= (this.#options.maxFileBytes ?? maxFileBytes)) await this.close();
    return count;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    this.#bytes = 0;
    await file?.close();
  }

  async #append(text: string): Promise<void> {
    this.#file ??= await this.#begin();
    const member = await gzip(text);
    await this.#file.appendFile(member);
    this.#bytes += member.length;
  }

  async #begin(): Promise<FileHandle> {
    const { folder, taskHub } = this.#options;
    await mkdir(folder, { recursive: true });
    const now = new Date().toISOString();
    const stamp = now.replaceAll(/[:.]/g, '-');
    const hub = taskHub.replaceAll(/[^\w-]/g, '_').slice(0, 64);
    const path = join(folder, `perdure-${hub}-${stamp}-${randomBytes(4).toString('hex')}.jsonl.gz`);
    // Never one that is there.
    const file = await open(path, 'ax');
    try {
      await file.appendFile(await gzip(headerLine({ taskHub, exportedAt: now, history: true, closed: false })));
      await file.sync();
      await syncFolder(folder);
    } catch (error) {
      await file.close();
      throw error;
    }
    return file;
  }
}

/** The name of a new file must survive a power cut too. Windows has no such thing. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
