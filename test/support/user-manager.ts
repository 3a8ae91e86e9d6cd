/**
 * The real systemd as the manager of a user's services, for tests: with units and a run-time directory of its own below a sandbox, so that nothing of this
 * machine is touched. It takes root, because a machine that was not booted by systemd has to be taken for one that was, in a mount namespace.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.js';
import type { Sandbox } from './palyra.js';

const SYSTEMD = ['/usr/lib/systemd/systemd', '/lib/systemd/systemd'];
/** What `sd_booted(3)` looks at exists there, and nowhere else. */
const BOOTED = 'mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec "$0" --user --log-target=console';

/** A unit that stops may need as long as a drain. */
const ANSWERS_WITHIN_MS = 60_000;

export class UserManager {
  readonly #directory: string;
  readonly #program: string;
  #child: ChildProcess | null = null;
  #words = '';

  private constructor(directory: string, program: string) {
    this.#directory = directory;
    this.#program = program;
  }

  /** Null, with the reason told, where there is none and none can be started. */
  static async start(sandbox: Sandbox): Promise<UserManager | null> {
    const program = SYSTEMD.find((path) => existsSync(path));
    const tools = ['systemctl', 'unshare'].every((tool) => spawnSync(tool, ['--version']).status === 0);
    const mounts = () => spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;
    if (program === undefined || !tools || !mounts()) {
      process.stderr.write('    it takes root, systemd and mount namespaces: the real manager is not tested here\n');
      return null;
    }
    const manager = new UserManager(join(sandbox.directory, 'manager'), program);
    for (const name of ['home', 'run']) mkdirSync(join(manager.#directory, name), { recursive: true, mode: 0o700 });
    try {
      await manager.boot();
      return manager;
    } catch (error) {
      const child = manager.#child;
      const hasEnded = child !== null && child.exitCode !== null;
      child?.kill('SIGKILL');
      if (!hasEnded) throw error;
      // Without control groups of its own, as in many containers, it says so and ends.
      process.stderr.write(
        `    systemd does not run here: the real manager is not tested. It said: ${manager.#words}\n`,
      );
      return null;
    }
  }

  /** For palyra and for `systemctl`: what the session of a user would have. */
  get env(): Record<string, string> {
    const home = join(this.#directory, 'home');
    return {
      HOME: home,
      XDG_CONFIG_HOME: join(home, '.config'),
      XDG_RUNTIME_DIR: join(this.#directory, 'run'),
    };
  }

  get units(): string {
    return join(this.env['XDG_CONFIG_HOME']!, 'systemd', 'user');
  }

  /** As after a boot: what is enabled starts. Ready when it resolves. */
  async boot(): Promise<void> {
    const words = ['--mount', '--propagation', 'private', 'sh', '-c', BOOTED, this.#program];
    const env = { PATH: process.env['PATH'], ...this.env };
    const child = spawn('unshare', words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (this.#words += String(data)));
    this.#child = child;
    await eventually(
      () => {
        if (child.exitCode !== null) throw new Error(`the user manager ended with ${child.exitCode}: ${this.#words}`);
        return ['running', 'degraded'].includes(this.systemctl('show', '--property=SystemState', '--value').trim());
      },
      'the user manager runs',
      30_000,
    );
  }

  /** As at a shutdown: every service is stopped first. */
  async shutDown(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    this.systemctl('exit');
    await gone;
  }

  /** What it says on stdout. */
  systemctl(...words: string[]): string {
    const { stdout } = spawnSync('systemctl', ['--user', ...words], {
      env: { PATH: process.env['PATH'], ...this.env },
      encoding: 'utf8',
      timeout: ANSWERS_WITHIN_MS,
    });
    return stdout;
  }

  property(unit: string, name: string): string {
    return this.systemctl('show', unit, `--property=${name}`, '--value').trim();
  }
}
