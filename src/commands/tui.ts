import { randomUUID } from 'node:crypto';
import { Flags } from '@oclif/core';
import { systemClock } from '../lib/base/clock.js';
import { PalyraError } from '../lib/base/errors.js';
import { BaseCommand } from '../lib/cli/base-command.js';
import { wantsColour } from '../lib/cli/colour.js';
import { readSwitch, readVariable } from '../lib/cli/environment.js';
import { ProcessLineTalk } from '../lib/cli/line-talk.js';
import { listenForStop } from '../lib/cli/signals.js';
import { ProcessTerminal } from '../lib/cli/terminal.js';

export default class Tui extends BaseCommand<typeof Tui> {
  static override summary = 'Watch the fleet live and answer what waits, in the terminal';
  static override description = `Keys: ↑↓ move, ⏎ opens, / filters, i runs a capability, a approvals, d dispatches, n invites a machine, ? all keys, q quits.
The footer shows the command that does the same. With --screen-reader (also PALYRA_A11Y=1, INK_SCREEN_READER=true, TERM=dumb) it is a plain
conversation in lines: nothing is redrawn. It needs a terminal; for scripts: palyra nodes list --watch [--json].`;
  static override aliases = ['top'];
  static override examples = [
    '<%= config.bin %> tui',
    '<%= config.bin %> tui --read-only',
    '<%= config.bin %> tui --screen-reader',
  ];
  static override flags = {
    'read-only': Flags.boolean({ description: 'For wall screens: nothing can be changed; always so for viewers' }),
    'screen-reader': Flags.boolean({ description: 'Lines instead of screens; nothing is redrawn' }),
  };

  async run() {
    if (this.output.json || !process.stdin.isTTY || !process.stdout.isTTY) throw new PalyraError('TERMINAL_REQUIRED');
    const client = this.client();
    const session = client.getSession();
    const inLines = this.flags['screen-reader'] || inLineMode();
    // Both take about as long: the library is loaded while the daemon answers.
    const loading = inLines ? import('../lib/tui/lines/line-mode.js') : import('../lib/tui/tui.js');
    loading.catch(() => undefined);
    const { operator, role, scopes, daemon: it } = await session;
    const stop = listenForStop();
    const deps = { client, clock: systemClock, newKey: () => `tui-${randomUUID()}` };
    const daemon = { name: it.name, version: it.version, ...this.#place() };
    const shared = { daemon, who: { operator, role, scopes }, readOnly: this.flags['read-only'] };
    try {
      const module = await loading;
      if ('runLineMode' in module)
        await module.runLineMode({ ...deps, talk: new ProcessLineTalk() }, shared, stop.signal);
      else {
        const colour = wantsColour(true, process.argv);
        const trueColour = ['truecolor', '24bit'].includes(readVariable('COLORTERM') ?? '');
        const options = { ...shared, colour, qr: { possible: true, trueColour } };
        await module.runTui({ ...deps, terminal: new ProcessTerminal() }, options, stop.signal);
      }
    } finally {
      stop.dispose();
    }
    const code = stop.exitCode();
    if (code !== null) process.exitCode = code;
    return undefined;
  }

  /** How the daemon is known here, and what the commands that are shown need to reach it too. */
  #place(): { context: string | null; flags: readonly string[] } {
    const { url, context } = this.target;
    const { daemon, context: named } = this.flags;
    const flags = daemon !== undefined ? ['--daemon', daemon] : named !== undefined ? ['--context', named] : [];
    return { context: url === null ? null : (context ?? new URL(url).host), flags };
  }
}

function inLineMode(): boolean {
  return readSwitch('PALYRA_A11Y') || readSwitch('INK_SCREEN_READER') || readVariable('TERM') === 'dumb';
}
