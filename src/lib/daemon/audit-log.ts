/**
 * The audit log on disk: append-only, hash-chained (`base/audit-chain.ts`), durable before an append resolves. It knows nothing of requests and runtimes;
 * `auditor.ts` decides what is written.
 *
 *   append ─► sealed onto the last confirmed entry ─► one write, one fdatasync for all that came meanwhile ─► confirmed, in order
 *
 * Always true:
 *   1. Confirmed entries form one chain, across files: a file that is full is renamed and the next one goes on where it ended.
 *   2. An append that was refused is not in the chain. With no space it is refused (STORAGE_FULL) and the next one is tried; after any other failure
 *      everything is (STORAGE_FAILED) and `onFatal` is told.
 *   3. A torn write at the end is cut off at the next start, but never an entry that is known to have been confirmed (`mustHold`): STATE_CORRUPT, and
 *      nothing is changed. Damage further back does not keep the daemon from starting; `verify` finds it.
 */
import { dirname, join } from 'node:path';
import { ChainVerifier, EMPTY_CHAIN, readEntry, sealEntry } from '../base/audit-chain.js';
import type { AuditDraft, AuditEntry, ChainHead, ChainReport } from '../base/audit-chain.js';
import { PalyraError } from '../base/errors.js';
import { ensurePrivateDirectory } from '../base/files.js';
import { appendDurably, GroupCommit } from '../base/group-commit.js';
import { synced, toStorageError } from '../base/state-fs.js';
import type { StateFile, StateFs } from '../base/state-fs.js';
import { systemFs } from '../base/system-fs.js';
import { ACTIVE_NAME, findFullSegments, fullName, linesBackward, linesOf } from './audit-files.js';
import type { Extent, Segment } from './audit-files.js';

export interface AuditLogOptions {
  readonly directory: string;
  readonly fs?: StateFs;
  /** A file that has grown to this is closed and the next one begun. */
  readonly maxFileBytes?: number;
  /** An entry that is known from elsewhere to have been confirmed. */
  readonly mustHold?: ChainHead;
}

export interface AuditQuery {
  /** Entries before this number. */
  readonly before?: number | undefined;
  readonly limit: number;
  /** True ends the listing: everything older is unwanted too. */
  readonly isTooOld?: (entry: AuditEntry) => boolean;
  readonly matches: (entry: AuditEntry) => boolean;
}

const MAX_FILE_BYTES = 64 * 1024 * 1024;
/** Entries one listing looks at; it then answers with what it has and where to go on. */
const MAX_LOOKED_AT = 100_000;

export class AuditLog {
  readonly #fs: StateFs;
  readonly #directory: string;
  readonly #maxFileBytes: number;
  readonly #commits = new GroupCommit<AuditDraft>((drafts) => this.#write(drafts));
  readonly #segments: Segment[];
  #file: StateFile;
  #head: ChainHead;
  #failure: PalyraError | null = null;
  /** Called once when the log can never be written again. */
  onFatal: (error: PalyraError) => void = () => undefined;

  private constructor(
    options: Required<Omit<AuditLogOptions, 'mustHold'>>,
    found: { file: StateFile; segments: Segment[]; head: ChainHead },
  ) {
    this.#fs = options.fs;
    this.#directory = options.directory;
    this.#maxFileBytes = options.maxFileBytes;
    this.#file = found.file;
    this.#segments = found.segments;
    this.#head = found.head;
  }

  /** Throws STATE_CORRUPT, STATE_NOT_OWNED, STORAGE_FULL or STORAGE_FAILED. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const { directory, fs = systemFs, maxFileBytes = MAX_FILE_BYTES } = options;
    const path = join(directory, ACTIVE_NAME);
    if (fs === systemFs) await ensurePrivateDirectory(directory);
    const full = await findFullSegments(fs, directory);
    const last = full.at(-1);
    let file: StateFile | null = null;
    try {
      const before = last === undefined ? EMPTY_CHAIN : await headOfFull(fs, last);
      file = (await fs.open(path)) ?? (await fs.create(path));
      const { head, bytes } = await findEnd(file, path, before);
      const { seq } = options.mustHold ?? EMPTY_CHAIN;
      if (head.seq < seq)
        throw corrupt(path, `entries after ${head.seq} are missing or damaged; ${seq} were confirmed`);
      if (bytes < (await file.size())) await file.truncate(bytes);
      await synced(file.sync(), path);
      await synced(fs.syncDirectory(dirname(path)), path);
      const segments = [...full, { path, bytes, firstSeq: before.seq + 1 }];
      return new AuditLog({ directory, fs, maxFileBytes }, { file, segments, head });
    } catch (error) {
      await file?.close().catch(() => undefined);
      throw toStorageError(error, path);
    }
  }

  /** The last confirmed entry. */
  get head(): ChainHead {
    return this.#head;
  }

  /** Resolves when the entry is durable; entries become durable in call order. */
  append(draft: AuditDraft): Promise<void> {
    return this.#failure === null ? this.#commits.add(draft) : Promise.reject(this.#failure);
  }

  /** Matching entries, newest first. */
  async list(query: AuditQuery): Promise<{ entries: AuditEntry[]; nextCursor: number | null }> {
    const entries: AuditEntry[] = [];
    let lookedAt = 0;
    const to = (query.before ?? Infinity) - 1;
    for await (const line of linesOf(this.#fs, this.#extent(), 'newest', { to })) {
      const entry = readEntry(line);
      // A damaged line is `verify`'s business; a listing shows what can be read.
      if (typeof entry === 'string' || entry.seq > to) continue;
      if (query.isTooOld?.(entry) === true) break;
      if (query.matches(entry)) entries.push(entry);
      lookedAt += 1;
      if ((entries.length >= query.limit || lookedAt >= MAX_LOOKED_AT) && entry.seq > 1) {
        return { entries, nextCursor: entry.seq };
      }
    }
    return { entries, nextCursor: null };
  }

  /** Raw lines after a number, oldest first, damaged ones too: a copy that can be checked elsewhere. */
  async *lines(options: { readonly after?: number; readonly limit?: number } = {}): AsyncGenerator<Buffer> {
    const { after = 0, limit = Infinity } = options;
    let given = 0;
    for await (const line of linesOf(this.#fs, this.#extent(), 'oldest', { from: after + 1 })) {
      if (after > 0) {
        const entry = readEntry(line);
        if (typeof entry !== 'string' && entry.seq <= after) continue;
      }
      if (given++ >= limit) return;
      yield line;
    }
  }

  /** Reads everything and checks it against what this process knows to have written. */
  async verify(): Promise<ChainReport> {
    const verifier = new ChainVerifier(this.#head);
    try {
      for await (const line of linesOf(this.#fs, this.#extent(), 'oldest')) if (!verifier.push(line)) break;
    } catch (error) {
      // A file that is gone is missing entries, not a failure of the check.
      if (PalyraError.from(error).reason !== 'STATE_CORRUPT') throw error;
    }
    return verifier.end();
  }

  /** Waits for what is pending and closes the file. */
  async close(): Promise<void> {
    await this.#commits.idle();
    this.#failure ??= new PalyraError('STORAGE_FAILED', { detail: 'the audit log is closed' });
    await this.#file.close();
  }

  get #active(): Segment {
    return this.#segments.at(-1) as Segment;
  }

  #extent(): Extent {
    return this.#segments.map((segment) => ({ segment, bytes: segment.bytes }));
  }

  async #write(drafts: readonly AuditDraft[]): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    try {
      if (this.#active.bytes >= this.#maxFileBytes) await this.#rotate();
      let head = this.#head;
      const lines: string[] = [];
      for (const draft of drafts) {
        const sealed = sealEntry(draft, head);
        lines.push(`${sealed.line}\n`);
        head = sealed.head;
      }
      const data = Buffer.from(lines.join(''));
      await appendDurably(this.#file, this.#active.path, this.#active.bytes, data);
      this.#active.bytes += data.length;
      this.#head = head;
    } catch (error) {
      const failure = toStorageError(error, this.#active.path);
      if (failure.reason !== 'STORAGE_FULL') {
        this.#failure = failure;
        this.onFatal(failure);
      }
      throw failure;
    }
  }

  /** A crash in between leaves no active file; the next start makes it. */
  async #rotate(): Promise<void> {
    const full = this.#active;
    const path = join(this.#directory, ACTIVE_NAME);
    // Renamed already when there was no space for the next file.
    if (full.path === path) {
      const renamed = join(this.#directory, fullName(full.firstSeq));
      await this.#fs.rename(path, renamed);
      full.path = renamed;
    }
    const old = this.#file;
    this.#file = await this.#fs.create(path);
    this.#segments.push({ path, bytes: 0, firstSeq: this.#head.seq + 1 });
    await synced(this.#fs.syncDirectory(this.#directory), path);
    await old.close().catch(() => undefined);
  }
}

async function headOfFull(fs: StateFs, segment: Segment): Promise<ChainHead> {
  for await (const line of linesOf(fs, [{ segment, bytes: segment.bytes }], 'newest')) {
    const entry = readEntry(line);
    if (typeof entry === 'string') throw corrupt(segment.path, entry);
    return { seq: entry.seq, hash: entry.hash };
  }
  throw corrupt(segment.path, 'it is empty');
}

/** The last good entry of the file being written, and where it ends. What is behind it was torn: the caller knows how much was confirmed. */
async function findEnd(file: StateFile, path: string, before: ChainHead): Promise<{ head: ChainHead; bytes: number }> {
  const size = await file.size();
  let end = size;
  let isWhole = size > 0 && (await file.read(size - 1, 1))[0] === 0x0a;
  for await (const line of linesBackward(file, size)) {
    const entry = readEntry(line);
    if (typeof entry !== 'string' && isWhole) {
      if (entry.seq <= before.seq) throw corrupt(path, 'it does not continue the file before it');
      return { head: { seq: entry.seq, hash: entry.hash }, bytes: end };
    }
    end -= line.length + (isWhole ? 1 : 0);
    isWhole = true;
  }
  return { head: before, bytes: 0 };
}

function corrupt(path: string, problem: string): PalyraError {
  return new PalyraError('STATE_CORRUPT', { detail: `${path}: ${problem}`, details: { file: path } });
}
