/**
 * The daemons this machine has logged in to, in `contexts.json` of the configuration directory: address, the CA that is trusted there, who one is.
 * Credentials are not in it (`stored-credentials.ts`): a logout keeps the trust, so that another daemon at the same address is noticed at the next login.
 */
import { join } from 'node:path';
import { PalyraError } from '../base/errors.js';
import { ensurePrivateDirectory, readPrivateFile, writeFileAtomic } from '../base/files.js';
import { LOCAL } from './daemon-address.js';

export interface ContextRecord {
  /** Scheme, host and port. */
  readonly url: string;
  /** The only CA that is trusted there, PEM; null: those of this machine vouch for it. */
  readonly caPem: string | null;
  /** The CA that takes over there, as the daemon said over a connection that `caPem` authenticates; trusted too. */
  readonly nextCaPem?: string;
  readonly operator: string;
  readonly role: string;
  readonly addedAt: string;
}

interface Stored {
  readonly version: 1;
  readonly current: string | null;
  readonly contexts: Readonly<Record<string, ContextRecord>>;
}

export const CONTEXTS_FILE = 'contexts.json';
/** Nobody logs in to more; a file that is larger is not ours. */
const MAX_BYTES = 4 * 1024 * 1024;

export class Contexts {
  readonly #directory: string;
  readonly #contexts: Map<string, ContextRecord>;
  #current: string | null;

  private constructor(directory: string, stored: Stored) {
    this.#directory = directory;
    this.#contexts = new Map(Object.entries(stored.contexts));
    this.#current = stored.current !== null && this.#contexts.has(stored.current) ? stored.current : null;
  }

  /** Throws CONFIG_INVALID for a file that is not ours, STATE_NOT_OWNED when others could have written it. */
  static async read(configDirectory: string): Promise<Contexts> {
    const path = join(configDirectory, CONTEXTS_FILE);
    const bytes = await readPrivateFile(path);
    return new Contexts(
      configDirectory,
      bytes === null ? { version: 1, current: null, contexts: {} } : parse(bytes, path),
    );
  }

  /** Null: the daemon of this machine. */
  get current(): string | null {
    return this.#current;
  }

  /** By name. */
  list(): { readonly name: string; readonly record: ContextRecord }[] {
    return [...this.#contexts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, record]) => ({ name, record }));
  }

  has(name: string): boolean {
    return this.#contexts.has(name.toLowerCase());
  }

  /** Throws CONTEXT_NOT_FOUND. */
  get(name: string): ContextRecord {
    const record = this.#contexts.get(name.toLowerCase());
    if (record === undefined) throw new PalyraError('CONTEXT_NOT_FOUND', { detail: name });
    return record;
  }

  /** The context of a daemon's address, or null. */
  findByUrl(url: string): { readonly name: string; readonly record: ContextRecord } | null {
    const all = this.list().filter(({ record }) => record.url === url);
    return all.find(({ name }) => name === this.#current) ?? all[0] ?? null;
  }

  put(name: string, record: ContextRecord): void {
    this.#contexts.set(name, record);
  }

  /** `local` for the daemon of this machine. Throws CONTEXT_NOT_FOUND. */
  use(name: string): void {
    if (name.toLowerCase() === LOCAL) this.#current = null;
    else {
      this.get(name);
      this.#current = name.toLowerCase();
    }
  }

  remove(name: string): void {
    this.#contexts.delete(name.toLowerCase());
    if (this.#current === name.toLowerCase()) this.#current = null;
  }

  rename(from: string, to: string): void {
    const record = this.get(from);
    const wasCurrent = this.#current === from.toLowerCase();
    this.remove(from);
    this.#contexts.set(to, record);
    if (wasCurrent) this.#current = to;
  }

  async save(): Promise<void> {
    const stored: Stored = { version: 1, current: this.#current, contexts: Object.fromEntries(this.#contexts) };
    await ensurePrivateDirectory(this.#directory);
    await writeFileAtomic(join(this.#directory, CONTEXTS_FILE), `${JSON.stringify(stored, null, 2)}\n`);
  }
}

function parse(bytes: Buffer, path: string): Stored {
  const invalid = (detail: string, cause?: unknown) =>
    new PalyraError('CONFIG_INVALID', { detail: `${path}: ${detail}`, cause });
  if (bytes.length > MAX_BYTES) throw invalid('it is too large');
  let value: Partial<Stored> | null;
  try {
    value = JSON.parse(bytes.toString('utf8')) as Partial<Stored> | null;
  } catch (error) {
    throw invalid('it is not JSON', error);
  }
  const { version, current, contexts } = value ?? {};
  if (version !== 1 || !isRecord(contexts) || (current !== null && typeof current !== 'string')) {
    throw invalid('it is not a list of contexts of this version');
  }
  for (const [name, record] of Object.entries(contexts as Record<string, unknown>)) {
    const isWhole =
      isRecord(record) &&
      typeof record['url'] === 'string' &&
      (record['caPem'] === null || typeof record['caPem'] === 'string') &&
      (record['nextCaPem'] === undefined || typeof record['nextCaPem'] === 'string');
    if (!isWhole) throw invalid(`the context "${name}" is not whole`);
  }
  return value as Stored;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
