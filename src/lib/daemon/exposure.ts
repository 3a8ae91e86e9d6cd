/**
 * Where nodes and the HTTPS API are served, and how that is changed while the daemon runs.
 *
 * A move binds the new addresses first, on the ports that are known, then renews the certificate for the new names, makes it durable and only then lets the
 * old addresses go: whatever fails before that leaves everything as it was. A wildcard cannot be bound beside one of its addresses, so such a move lets go
 * first and takes back what it let go when it fails.
 *
 * What was chosen is kept in `exposure.json` as it was said (`lan` stays `lan`, whatever the address is at the next start).
 */
import type { Clock } from '../base/clock.js';
import { join } from 'node:path';
import { PalyraError } from '../base/errors.js';
import { readPrivateFile, writeFileAtomic } from '../base/files.js';
import { resolveListen } from '../base/listen-words.js';
import type { ListenerView } from '../base/model.js';
import { hostNames, isBound, isWildcard, toAuthority, withListen, type DaemonConfig } from './config.js';
import type { TlsFront } from './tls-front.js';

const FILE = 'exposure.json';
/** The certificate is renewed months before its end. */
const LOOK_EVERY_MS = 3_600_000;
const LOOK_AGAIN_MS = 60_000;
/** The clock was set, or the machine slept: what was valid may not be, what was not may be. */
const CLOCK_SET_MS = 60_000;

export interface ServerCertificate {
  readonly keyPem: string;
  readonly certificatePem: string;
  /** Whose certificates the node port lets in; PEM. */
  readonly clientCaPem: string;
}

export interface ExposureDeps {
  /** The certificate for these names, renewed when they differ from what it has. */
  readonly issue: (config: DaemonConfig) => Promise<ServerCertificate>;
  readonly onRenewed: () => void;
  readonly onRenewalFailed: (error: unknown) => void;
}

/** What opens and closes a port. */
export type Front = Pick<TlsFront, 'listen' | 'unlisten' | 'renew' | 'dropWhere'>;

interface Door {
  readonly purpose: 'public' | 'node-rpc';
  readonly front: Front;
  readonly flag: string;
  port: number;
}

export class Exposure {
  readonly #deps: ExposureDeps;
  readonly #doors: Door[] = [];
  #config: DaemonConfig;
  #hostNames: ReadonlySet<string>;
  #moving: Promise<unknown> = Promise.resolve();
  #shown: string;
  #lookAt = 0;
  /** How far wall time is ahead of the monotonic clock. */
  #clockAheadMs: number | null = null;

  /** `shown` is the certificate that the fronts were made with. */
  constructor(deps: ExposureDeps, config: DaemonConfig, shown: ServerCertificate) {
    this.#deps = deps;
    this.#shown = shown.certificatePem;
    this.#config = config;
    this.#hostNames = hostNames(config);
  }

  /** As it is now; the names for links and for the certificate follow the addresses. */
  get config(): DaemonConfig {
    return this.#config;
  }
  get listen(): readonly string[] {
    return this.#config.listen;
  }
  get hosts(): readonly string[] {
    return this.#config.hosts;
  }

  /** Names that may be in a Host header. */
  get hostNames(): ReadonlySet<string> {
    return this.#hostNames;
  }

  port(purpose: Door['purpose']): number {
    return this.#doors.find((door) => door.purpose === purpose)?.port ?? 0;
  }

  get listeners(): ListenerView[] {
    return this.#doors.flatMap(({ purpose, port }) =>
      this.listen.map((address) => ({ purpose, url: `https://${toAuthority(address, port)}` })),
    );
  }

  /** Binds every address; with port 0 the first one chooses for all. Throws PORT_IN_USE or ADDRESS_UNAVAILABLE. */
  async open(purpose: Door['purpose'], front: Front, port: number, flag: string): Promise<void> {
    let bound = port;
    for (const address of this.listen) bound = await front.listen(address, bound, flag);
    this.#doors.push({ purpose, front, flag, port: bound });
  }

  /**
   * Serves other addresses from now on, and at the next start. False when it was so already. One move at a time.
   * Throws USAGE_INVALID or CONFIG_INVALID for what is no address, PORT_IN_USE, ADDRESS_UNAVAILABLE or a storage reason; nothing was changed then.
   */
  move(words: readonly string[]): Promise<boolean> {
    const moved = this.#moving.then(() => this.#move(words));
    this.#moving = moved.catch(() => undefined);
    return moved;
  }

  /**
   * Renews the certificate for the names it has when its time has come; new connections see the new one at once. Looks once an hour, at once
   * when the clock was set, and again after a minute when that failed: what is shown goes on being shown. Never rejects.
   */
  renewWhenDue(clock: Pick<Clock, 'now' | 'monotonic'>): Promise<void> {
    const now = clock.monotonic();
    const aheadMs = clock.now() - now;
    const wasSet = Math.abs(aheadMs - (this.#clockAheadMs ?? aheadMs)) >= CLOCK_SET_MS;
    if (now < this.#lookAt && !wasSet) return Promise.resolve();
    this.#clockAheadMs = aheadMs;
    this.#lookAt = now + LOOK_EVERY_MS;
    const looked = this.#moving.then(async () => {
      const server = await this.#deps.issue(this.#config);
      if (server.certificatePem === this.#shown) return;
      this.#show(server);
      this.#deps.onRenewed();
    });
    this.#moving = looked.catch((error: unknown) => {
      this.#lookAt = now + LOOK_AGAIN_MS;
      this.#deps.onRenewalFailed(error);
    });
    return this.#moving.then(() => undefined);
  }

  /** Reads the identity anew and shows it: the CA has changed. Throws what `issue` throws; what is shown goes on being shown then. */
  refresh(): Promise<void> {
    const shown = this.#moving.then(async () => this.#show(await this.#deps.issue(this.#config)));
    this.#moving = shown.catch(() => undefined);
    return shown;
  }

  async #move(words: readonly string[]): Promise<boolean> {
    const before = this.#config;
    const after = withListen(before, resolveListen(words));
    const same = before.listen.toSorted().join() === after.listen.toSorted().join();
    if (same) {
      await this.#keep(words);
      return false;
    }
    const added = after.listen.filter((address) => !before.listen.includes(address));
    const gone = before.listen.filter((address) => !after.listen.includes(address));
    const letGoFirst = [...before.listen, ...after.listen].some(isWildcard);
    if (letGoFirst) await this.#unbind(gone);
    try {
      await this.#bind(added);
      this.#show(await this.#deps.issue(after));
      await this.#keep(words);
    } catch (error) {
      await this.#unbind(added);
      if (letGoFirst) await this.#bind(gone);
      this.#show(await this.#deps.issue(before));
      throw error;
    }
    this.#config = after;
    this.#hostNames = hostNames(after);
    if (!letGoFirst) await this.#unbind(gone);
    return true;
  }

  /** Ends connections over addresses that are no longer served. */
  dropClosed(): void {
    for (const { front } of this.#doors) front.dropWhere((address) => !isBound(this.listen, address));
  }

  #show(server: ServerCertificate): void {
    this.#shown = server.certificatePem;
    for (const { front } of this.#doors) front.renew(server);
  }

  async #bind(addresses: readonly string[]): Promise<void> {
    for (const { front, port, flag } of this.#doors) {
      for (const address of addresses) await front.listen(address, port, flag);
    }
  }

  async #unbind(addresses: readonly string[]): Promise<void> {
    for (const { front } of this.#doors) for (const address of addresses) await front.unlisten(address);
  }

  #keep(words: readonly string[]): Promise<void> {
    return writeFileAtomic(
      join(this.#config.stateDirectory, FILE),
      `${JSON.stringify({ format: 1, listen: words })}\n`,
    );
  }
}

/** The words of the last move; null when there was none. Throws STATE_NOT_OWNED, and STATE_CORRUPT for a file that is not ours. */
export async function readExposure(stateDirectory: string): Promise<string[] | null> {
  const file = join(stateDirectory, FILE);
  const bytes = await readPrivateFile(file);
  if (bytes === null) return null;
  try {
    const { format, listen } = JSON.parse(bytes.toString('utf8')) as { format?: unknown; listen?: unknown };
    if (format === 1 && Array.isArray(listen) && listen.every((word) => typeof word === 'string')) return listen;
  } catch {
    // Said below.
  }
  throw new PalyraError('STATE_CORRUPT', {
    detail: `${file} does not say where to listen`,
    hint: 'Delete it and say it again: palyra daemon expose',
  });
}
