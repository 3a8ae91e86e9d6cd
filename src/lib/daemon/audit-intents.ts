/**
 * What is about to be done, durable before it is done: so that nothing happens that the audit log will not tell, also when the disk is full or the process is
 * killed between the deed and its entry. An intent is closed by the entry with its request id; one that is found open at a start gets an entry that says
 * `interrupted`.
 *
 * Every line also says how far the audit log was confirmed, which is how a start knows that the end of the log is missing.
 * The file is scratch: it is rewritten when it has grown, and means nothing without the log beside it.
 */
import { dirname, join } from 'node:path';
import { EMPTY_CHAIN } from '../base/audit-chain.js';
import type { AuditDraft, ChainHead } from '../base/audit-chain.js';
import { PalyraError } from '../base/errors.js';
import { ensurePrivateDirectory } from '../base/files.js';
import { appendDurably, GroupCommit } from '../base/group-commit.js';
import { removeTemporaryFiles, replaceFile, synced, toStorageError } from '../base/state-fs.js';
import type { StateFile, StateFs } from '../base/state-fs.js';
import { systemFs } from '../base/system-fs.js';

const NAME = 'intents.v1.log';
const MAX_FILE_BYTES = 1024 * 1024;

export type Intent = Omit<AuditDraft, 'at' | 'outcome' | 'requestId'> & { readonly requestId: string };

interface Line {
  readonly begin?: Intent;
  /** Request ids. */
  readonly ended: readonly string[];
  readonly head: ChainHead;
}

export class AuditIntents {
  readonly #fs: StateFs;
  readonly #path: string;
  readonly #commits = new GroupCommit<Intent>((intents) => this.#write(intents));
  readonly #open: Map<string, Intent>;
  #ended: string[] = [];
  #file: StateFile;
  #bytes: number;
  #failure: PalyraError | null = null;
  /** How far the log is confirmed. */
  headOf: () => ChainHead;
  /** Called once when the file can never be written again. */
  onFatal: (error: PalyraError) => void = () => undefined;

  private constructor(fs: StateFs, path: string, file: StateFile, read: ReturnType<typeof readLines>) {
    this.#fs = fs;
    this.#path = path;
    this.#file = file;
    this.#bytes = read.bytes;
    this.#open = read.open;
    this.headOf = () => read.head;
  }

  /** Throws STATE_CORRUPT, STATE_NOT_OWNED, STORAGE_FULL or STORAGE_FAILED. */
  static async open(options: { readonly directory: string; readonly fs?: StateFs }): Promise<AuditIntents> {
    const { directory, fs = systemFs } = options;
    const path = join(directory, NAME);
    if (fs === systemFs) await ensurePrivateDirectory(directory);
    let file: StateFile | null = null;
    try {
      await removeTemporaryFiles(fs, directory, NAME);
      file = (await fs.open(path)) ?? (await fs.create(path));
      const size = await file.size();
      const read = readLines(await file.read(0, size), path);
      if (read.bytes < size) await file.truncate(read.bytes);
      await synced(file.sync(), path);
      await synced(fs.syncDirectory(dirname(path)), path);
      return new AuditIntents(fs, path, file, read);
    } catch (error) {
      await file?.close().catch(() => undefined);
      throw toStorageError(error, path);
    }
  }

  /** Those that were never ended, oldest first. */
  get open(): readonly Intent[] {
    return [...this.#open.values()];
  }

  /** Resolves when it is durable; only then may the deed be done. Throws STORAGE_FULL or STORAGE_FAILED. */
  async begin(intent: Intent): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    await this.#commits.add(intent);
  }

  /** Its entry is in the log. Written down with the next intent: until then the entry itself says so. */
  end(requestId: string): void {
    if (this.#open.delete(requestId)) this.#ended.push(requestId);
  }

  /** Writes down how far the log has come, and closes the file. */
  async close(): Promise<void> {
    await this.#commits.idle();
    if (this.#failure === null) {
      this.#failure = new PalyraError('STORAGE_FAILED', { detail: 'the audit log is closed' });
      await this.#rewrite().catch(() => undefined);
    }
    await this.#file.close();
  }

  async #write(intents: readonly Intent[]): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    const ended = this.#ended;
    try {
      if (this.#bytes > MAX_FILE_BYTES) await this.#rewrite();
      const head = this.headOf();
      const lines = intents.map((begin, index): Line => ({ begin, ended: index === 0 ? ended : [], head }));
      const data = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      await appendDurably(this.#file, this.#path, this.#bytes, data);
      this.#bytes += data.length;
      this.#ended = this.#ended.slice(ended.length);
      for (const intent of intents) this.#open.set(intent.requestId, intent);
    } catch (error) {
      const failure = toStorageError(error, this.#path);
      if (failure.reason !== 'STORAGE_FULL') {
        this.#failure = failure;
        this.onFatal(failure);
      }
      throw failure;
    }
  }

  /** Only what is still open. */
  async #rewrite(): Promise<void> {
    const head = this.headOf();
    const lines: Line[] = [{ ended: [], head }, ...this.open.map((begin): Line => ({ begin, ended: [], head }))];
    const data = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const old = this.#file;
    this.#file = await replaceFile(this.#fs, this.#path, data);
    this.#bytes = data.length;
    await old.close().catch(() => undefined);
  }
}

/** A last line that cannot be read was torn; any other is damage. */
function readLines(bytes: Buffer, path: string): { open: Map<string, Intent>; head: ChainHead; bytes: number } {
  const open = new Map<string, Intent>();
  let head = EMPTY_CHAIN;
  let good = 0;
  for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, good)) {
    let line: Line;
    try {
      line = JSON.parse(bytes.toString('utf8', good, end)) as Line;
      head = { seq: line.head.seq, hash: line.head.hash };
      for (const requestId of line.ended) open.delete(requestId);
    } catch (cause) {
      if (bytes.indexOf(0x0a, end + 1) === -1) break;
      throw new PalyraError('STATE_CORRUPT', { detail: `${path} is damaged`, details: { file: path }, cause });
    }
    if (line.begin !== undefined) open.set(line.begin.requestId, line.begin);
    good = end + 1;
  }
  return { open, head, bytes: good };
}
