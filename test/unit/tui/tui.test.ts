/** The running terminal UI on a terminal of the test: how often it draws, how it ends, and that it leaves nothing behind. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../../src/lib/base/clock.js';
import { PalyraError } from '../../../src/lib/base/errors.js';
import type { Terminal, TerminalListener } from '../../../src/lib/cli/terminal.js';
import type { ControlPlaneClient, WatchItem, WatchOptions } from '../../../src/lib/client/control-plane-client.js';
import { runTui, type TuiFigures } from '../../../src/lib/tui/tui.js';
import { TestScreen } from '../../support/screen.js';
import { DAEMON, EVA, many, node, snapshot } from '../../support/tui-states.js';

class TestTerminal implements Terminal {
  size = { columns: 80, rows: 24 };
  readonly screen = new TestScreen();
  writes = 0;
  held = 0;
  listener: TerminalListener | null = null;
  suddenEnd: (() => void) | null = null;

  write(text: string): void {
    this.writes++;
    this.screen.write(text.replaceAll('\u0007', ''));
  }
  listen(listener: TerminalListener): () => void {
    this.listener = listener;
    return () => (this.listener = null);
  }
  suspend(): void {}
  holdOthers(): () => void {
    this.held++;
    return () => (this.held = 0);
  }
  async edit(): Promise<string | null> {
    return null;
  }
  onSuddenEnd(restore: () => void): () => void {
    this.suddenEnd = restore;
    return () => (this.suddenEnd = null);
  }
}

/** A daemon that sends what it is told to. */
class TestFeed {
  #wake: () => void = () => undefined;
  readonly #items: (WatchItem | PalyraError)[] = [snapshot(many(20))];

  push(item: WatchItem | PalyraError): void {
    this.#items.push(item);
    this.#wake();
  }

  get client(): ControlPlaneClient {
    const next = () => this.#items.shift();
    const wake = () => this.#wake();
    const sleep = () =>
      new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return {
      async *watchEvents({ signal }: WatchOptions = {}) {
        signal?.addEventListener('abort', () => wake(), { once: true });
        while (signal?.aborted !== true) {
          const item = next();
          if (item === undefined) await sleep();
          else if (item instanceof PalyraError) throw item;
          else yield item;
        }
      },
      getSession: async () => ({ ...EVA, daemon: DAEMON }),
      listApprovals: async () => [],
      listDispatches: async () => ({ dispatches: [], nextCursor: null }),
    } as unknown as ControlPlaneClient;
  }
}

describe('The running terminal UI', () => {
  let terminal: TestTerminal;
  let feed: TestFeed;
  let stop: AbortController;
  let running: Promise<TuiFigures>;

  beforeEach(() => {
    [terminal, feed, stop] = [new TestTerminal(), new TestFeed(), new AbortController()];
    const options = { daemon: DAEMON, who: EVA, readOnly: false, colour: false };
    const deps = { client: feed.client, terminal, clock: systemClock, newKey: () => 'key' };
    running = runTui(deps, { ...options, qr: { possible: false, trueColour: false } }, stop.signal);
    running.catch(() => undefined);
  });
  afterEach(async () => {
    stop.abort();
    await running.catch(() => undefined);
  });

  const isRestored = () => {
    const { screen } = terminal;
    assert.deepEqual([screen.entered, screen.alternate, screen.cursorVisible, screen.wraps], [1, 0, true, true]);
    assert.deepEqual([terminal.listener, terminal.suddenEnd, terminal.held], [null, null, 0]);
  };

  it('draws at most ten frames a second however much happens, and none when nothing does', async () => {
    await pause(400);
    const before = terminal.writes;
    const begun = performance.now();
    for (let seq = 1; performance.now() - begun < 1500; seq++) {
      const presence = seq % 2 === 0 ? 'online' : 'offline';
      const at = new Date().toISOString();
      const event = { type: 'node', id: `1-${seq}`, seq, at, change: 'presence', by: null };
      feed.push({ ...event, node: node('node-001', { presence }) } as unknown as WatchItem);
      terminal.listener?.input(seq % 3 === 0 ? '\u001b[B' : '\u001b[A');
      await pause(5);
    }
    const frames = terminal.writes - before;
    const seconds = (performance.now() - begun) / 1000;
    assert.ok(frames >= 3 && frames <= seconds * 10 + 2, `${frames} frames in ${seconds} s`);
    await pause(300);
    const rested = terminal.writes;
    await pause(700);
    // The order may settle once after the cursor has come to rest; ages of an hour do not tick.
    assert.ok(terminal.writes - rested <= 1, `${terminal.writes - rested} frames of nothing`);
  });

  it('ends with q, with the signal and with the line, and leaves the terminal as it was', async () => {
    await pause(150);
    terminal.listener?.input('q');
    await running;
    isRestored();
  });

  it('ends when the line is gone', async () => {
    terminal.listener?.gone();
    await running;
    isRestored();
  });

  it('puts the terminal right when the process ends without having been asked', async () => {
    await pause(150);
    terminal.suddenEnd?.();
    assert.deepEqual([terminal.screen.alternate, terminal.screen.cursorVisible], [0, true]);
    stop.abort();
    await running;
    isRestored();
  });

  it('ends with the refusal of a daemon that will never let it watch', async () => {
    feed.push(new PalyraError('PERMISSION_DENIED'));
    await assert.rejects(running, (error: PalyraError) => error.reason === 'PERMISSION_DENIED');
    isRestored();
  });

  it('paints everything anew after the window has changed its size', async () => {
    await pause(200);
    terminal.size = { columns: 60, rows: 20 };
    terminal.listener?.resized();
    await pause(400);
    const rows = terminal.screen.rows;
    assert.equal(rows.length, 19);
    assert.match(rows.at(-1)!, /q quit/);
  });
});
