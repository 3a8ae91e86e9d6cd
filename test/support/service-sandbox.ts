/** What the tests of services share: a machine with a play user manager, and lists of files. */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sandbox } from './palyra.js';

const PLAYED = fileURLToPath(new URL('../fixtures/service-bin/', import.meta.url));

export type LingerMode = 'on' | 'off' | 'refused' | 'no-bus';

/** A machine whose `systemctl` and `loginctl` are played. */
export class PlayedSystemd {
  readonly #directory: string;

  constructor(sandbox: Sandbox, name: string) {
    this.#directory = join(sandbox.directory, `${name}-systemd`);
    mkdirSync(this.#directory);
    this.linger('on');
  }

  get env(): Record<string, string> {
    return {
      PATH: `${PLAYED}:${process.env['PATH'] ?? ''}`,
      XDG_CONFIG_HOME: join(this.#directory, 'config'),
      FAKE_SYSTEMD: this.#directory,
      FAKE_LINGER: join(this.#directory, 'linger'),
    };
  }

  linger(mode: LingerMode): void {
    writeFileSync(join(this.#directory, 'linger'), mode);
  }

  get calls(): string {
    return readFileSync(join(this.#directory, 'calls'), 'utf8');
  }

  get unitsDirectory(): string {
    return join(this.#directory, 'config', 'systemd', 'user');
  }
}

/** Files below a directory, relative and sorted; none when it is not there. */
export function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}
