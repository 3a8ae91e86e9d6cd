/**
 * A disk in memory that behaves as badly as a real one may. Every call has a number; at a chosen number it crashes, fails or writes short.
 *
 * What survives a crash: synced bytes, and of the rest any prefix in the order of the writes; synced names, and of the rest any prefix in the order of
 * the renames. `crashed(random)` draws one such outcome. After the crash every call fails, as for a process that is gone.
 */
import { basename, dirname } from 'node:path';
import type { StateFile, StateFs } from '../../src/lib/base/state-fs.js';

type Operation = { readonly append: Buffer } | { readonly truncate: number };
type NameChange = { readonly name: string; readonly inode: Inode | null }[];

class Inode {
  durable: Buffer = Buffer.alloc(0);
  data: Buffer = Buffer.alloc(0);
  unsynced: Operation[] = [];

  apply(operation: Operation): void {
    this.data = applyTo(this.data, operation);
    this.unsynced.push(operation);
  }
}

function applyTo(data: Buffer, operation: Operation): Buffer {
  return 'append' in operation ? Buffer.concat([data, operation.append]) : data.subarray(0, operation.truncate);
}

export class CrashError extends Error {}

export type Fault = 'crash' | 'short' | 'ENOSPC' | 'EDQUOT' | 'EIO' | 'EMFILE';
export interface FaultAt {
  /** Number of the call, from 1. */
  readonly call: number;
  readonly fault: Fault;
}

export class FaultFs implements StateFs {
  calls = 0;
  /** Kind of each call, for tests that aim at one kind. */
  readonly kinds: string[] = [];
  faults: readonly FaultAt[] = [];
  /** Bytes of all files together; more is ENOSPC, after as much as fits. */
  capacity = Infinity;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #unsyncedNames: NameChange[] = [];
  #gone = false;
  #called: (() => void)[] = [];

  static withFiles(files: Readonly<Record<string, Uint8Array>>): FaultFs {
    const fs = new FaultFs();
    for (const [name, bytes] of Object.entries(files)) {
      const inode = new Inode();
      inode.durable = inode.data = Buffer.from(bytes);
      fs.#names.set(name, inode);
      fs.#durableNames.set(name, inode);
    }
    return fs;
  }

  /** What the next start finds: `fraction()` in [0, 1] chooses how much of each unsynced part survived. */
  crashed(fraction: () => number): FaultFs {
    const names = new Map(this.#durableNames);
    const survivors = Math.round(fraction() * this.#unsyncedNames.length);
    for (const change of this.#unsyncedNames.slice(0, survivors)) {
      for (const { name, inode } of change) {
        if (inode === null) names.delete(name);
        else names.set(name, inode);
      }
    }
    const files: Record<string, Buffer> = {};
    for (const [name, inode] of names) {
      let data = inode.durable;
      let budget = Math.round(fraction() * inode.unsynced.reduce((sum, op) => sum + cost(op), 0));
      for (const operation of inode.unsynced) {
        if (budget <= 0) break;
        const part = 'append' in operation ? { append: operation.append.subarray(0, budget) } : operation;
        data = applyTo(data, part);
        budget -= cost(operation);
      }
      files[name] = data;
    }
    return FaultFs.withFiles(files);
  }

  /** What the next process finds after a kill: the machine ran on, so everything written is visible, and what was not synced still is not. */
  killed(): FaultFs {
    const copies = new Map<Inode, Inode>();
    const copyOf = (inode: Inode): Inode => {
      const copy = copies.get(inode) ?? Object.assign(new Inode(), inode, { unsynced: [...inode.unsynced] });
      copies.set(inode, copy);
      return copy;
    };
    const copyNames = (names: Map<string, Inode>) => new Map([...names].map(([name, inode]) => [name, copyOf(inode)]));
    const fs = new FaultFs();
    fs.#names = copyNames(this.#names);
    fs.#durableNames = copyNames(this.#durableNames);
    fs.#unsyncedNames = this.#unsyncedNames.map((change) =>
      change.map(({ name, inode }) => ({ name, inode: inode === null ? null : copyOf(inode) })),
    );
    return fs;
  }

  /** As a process sees them now, unsynced parts included. */
  files(): Record<string, Buffer> {
    return Object.fromEntries([...this.#names].map(([name, inode]) => [name, inode.data]));
  }

  async read(path: string): Promise<Buffer | null> {
    await this.#call('read');
    const inode = this.#names.get(path);
    return inode === undefined ? null : Buffer.from(inode.data);
  }

  async open(path: string): Promise<StateFile | null> {
    await this.#call('open');
    const inode = this.#names.get(path);
    return inode === undefined ? null : this.#handle(inode);
  }

  async create(path: string): Promise<StateFile> {
    await this.#call('create');
    if (this.#names.has(path)) throw errno('EEXIST');
    const inode = new Inode();
    this.#change([{ name: path, inode }]);
    return this.#handle(inode);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#call('rename');
    const inode = this.#existing(from);
    this.#change([
      { name: to, inode },
      { name: from, inode: null },
    ]);
  }

  async link(from: string, to: string): Promise<void> {
    await this.#call('link');
    if (this.#names.has(to)) throw errno('EEXIST');
    this.#change([{ name: to, inode: this.#existing(from) }]);
  }

  async remove(path: string): Promise<void> {
    await this.#call('remove');
    if (this.#names.has(path)) this.#change([{ name: path, inode: null }]);
  }

  async list(directory: string): Promise<string[]> {
    await this.#call('list');
    return [...this.#names.keys()].filter((name) => dirname(name) === directory).map((name) => basename(name));
  }

  async syncDirectory(_directory: string): Promise<void> {
    await this.#call('syncDirectory');
    this.#durableNames = new Map(this.#names);
    this.#unsyncedNames = [];
  }

  #handle(inode: Inode): StateFile {
    return {
      append: async (data) => {
        const fault = await this.#call('append');
        const used = [...new Set(this.#names.values())].reduce((sum, file) => sum + file.data.length, 0);
        const room = Math.max(0, this.capacity - used);
        if (room === 0) throw errno('ENOSPC');
        const limit = fault === 'short' ? Math.max(1, Math.floor(data.length / 3)) : data.length;
        const part = Buffer.from(data.subarray(0, Math.min(limit, room)));
        inode.apply({ append: part });
        return part.length;
      },
      size: async () => {
        await this.#call('size');
        return inode.data.length;
      },
      read: async (position, length) => {
        await this.#call('readAt');
        return Buffer.from(inode.data.subarray(position, position + length));
      },
      truncate: async (length) => {
        await this.#call('truncate');
        inode.apply({ truncate: length });
      },
      sync: async () => {
        await this.#call('sync');
        inode.durable = inode.data;
        inode.unsynced = [];
      },
      close: async () => {
        await this.#call('close');
      },
    };
  }

  #existing(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw errno('ENOENT');
    return inode;
  }

  #change(change: NameChange): void {
    for (const { name, inode } of change) {
      if (inode === null) this.#names.delete(name);
      else this.#names.set(name, inode);
    }
    this.#unsyncedNames.push(change);
  }

  /** Resolves when the next call has begun. */
  nextCall(): Promise<void> {
    return new Promise((resolve) => this.#called.push(resolve));
  }

  async #call(kind: string): Promise<Fault | null> {
    // A turn of the event loop, so that other work gets in between as with a real disk.
    await Promise.resolve();
    if (this.#gone) throw new CrashError('the process is gone');
    this.calls++;
    this.kinds.push(kind);
    for (const called of this.#called.splice(0)) called();
    const fault = this.faults.find(({ call }) => call === this.calls)?.fault ?? null;
    if (fault === null || fault === 'short') return fault;
    if (fault === 'crash') {
      this.#gone = true;
      throw new CrashError(`crash at call ${this.calls} (${kind})`);
    }
    throw errno(fault);
  }
}

function cost(operation: Operation): number {
  return 'append' in operation ? operation.append.length : 1;
}

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}
