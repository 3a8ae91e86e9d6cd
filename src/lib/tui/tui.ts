/**
 * The terminal UI: keys and events in, frames out. The composition root of everything that needs a screen; line mode (`lines/line-mode.ts`) has its own.
 *
 *   keys ─► decoder ─┐                        ┌─► effects ─► client ─┐
 *   events ─► batch ─┼─► update(state) ─► state ─► view ─► Ink ─► painter
 *   clock ─► tick ───┘        ▲                                      │
 *                             └────────────── messages ◄─────────────┘
 *
 * At most ten frames a second, and none when nothing changed. The terminal is as before when `run` has settled, and also when the process ends otherwise.
 */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { Terminal } from '../cli/terminal.js';
import type { ControlPlaneClient } from '../client/control-plane-client.js';
import { KeyDecoder } from './keys/key-decoder.js';
import { Effects } from './run/effects.js';
import { createFrameLayout } from './run/ink-frames.js';
import { Painter } from './run/painter.js';
import { watchDaemon } from './run/watcher.js';
import type { Effect, Message } from './state/messages.js';
import { initialState, type TuiState } from './state/state.js';
import { update } from './state/update.js';
import type { QrOptions } from './views/invite.js';
import { ansiOf } from './views/segments.js';
import { view } from './views/view.js';

export const FRAME_MS = 100;
const TICK_MS = 1000;
const RESIZE_MS = 50;
/** How long an Escape may be the beginning of something longer. */
const ESCAPE_MS = 30;
const MAX_LISTENERS = 200;

export interface TuiDeps {
  readonly client: ControlPlaneClient;
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Idempotency keys. */
  readonly newKey: () => string;
}

export interface TuiOptions {
  readonly daemon: TuiState['daemon'];
  readonly who: TuiState['who'];
  readonly readOnly: boolean;
  readonly colour: boolean;
  readonly qr: QrOptions;
}

/** What the load test reads. */
export interface TuiFigures {
  readonly frames: number;
}

/** Until the operator quits, the line is gone or the signal aborts. Throws what makes going on pointless. */
export async function runTui(deps: TuiDeps, options: TuiOptions, signal: AbortSignal): Promise<TuiFigures> {
  const tui = new Tui(deps, options);
  return tui.run(signal);
}

class Tui {
  readonly #deps: TuiDeps;
  readonly #options: TuiOptions;
  readonly #ended = new AbortController();
  readonly #decoder = new KeyDecoder();
  readonly #painter: Painter;
  readonly #layout = createFrameLayout();
  readonly #effects: Effects;
  /** Timers by what they are for: at most one of each. */
  readonly #timers = new Map<'frame' | 'tick' | 'resize' | 'escape', () => void>();
  #state: TuiState;
  #drawnAt = -Infinity;
  #failure: PalyraError | null = null;
  #drawn: { readonly lines: string; readonly rows: readonly string[] } | null = null;

  constructor(deps: TuiDeps, options: TuiOptions) {
    const { client, clock, newKey, terminal } = deps;
    // Every request listens to it; what Node says about more than ten would be said in the middle of the screen.
    setMaxListeners(MAX_LISTENERS, this.#ended.signal);
    this.#deps = deps;
    this.#options = options;
    this.#painter = new Painter((text) => terminal.write(text));
    const send = (message: Message) => this.#send(message);
    this.#effects = new Effects({ client, clock, newKey, signal: this.#ended.signal, send });
    const { daemon, who, readOnly } = options;
    this.#state = initialState({ now: clock.now(), size: terminal.size, readOnly, daemon, who });
  }

  async run(signal: AbortSignal): Promise<TuiFigures> {
    const { terminal, client, clock } = this.#deps;
    const end = () => this.#ended.abort();
    if (signal.aborted) return { frames: 0 };
    signal.addEventListener('abort', end, { once: true });
    const release = terminal.holdOthers();
    const restore = terminal.onSuddenEnd(() => {
      this.#painter.leave();
      release();
    });
    this.#painter.enter();
    const unlisten = terminal.listen({
      input: (text) => this.#input(text),
      resized: () => this.#after('resize', RESIZE_MS, () => this.#resized()),
      resumed: () => this.#resumed(),
      gone: end,
    });
    try {
      this.#draw();
      this.#tick();
      const watching = watchDaemon({
        client,
        clock,
        signal: this.#ended.signal,
        send: (message) => this.#send(message),
      });
      watching.catch((error: unknown) => this.#fail(error));
      await this.#untilEnded();
      await watching.catch(() => undefined);
    } finally {
      end();
      for (const cancel of this.#timers.values()) cancel();
      signal.removeEventListener('abort', end);
      this.#layout.close();
      unlisten();
      this.#painter.leave();
      release();
      restore();
    }
    if (this.#failure !== null) throw this.#failure;
    return { frames: this.#painter.frames };
  }

  #untilEnded(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#ended.signal.aborted) resolve();
      else this.#ended.signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= PalyraError.from(error);
    this.#ended.abort();
  }

  #send(message: Message): void {
    if (this.#ended.signal.aborted) return;
    const [state, effects] = update(this.#state, message, this.#deps.clock.now());
    this.#state = state;
    for (const effect of effects) this.#do(effect);
    this.#schedule();
  }

  #do(effect: Effect): void {
    const { terminal } = this.#deps;
    switch (effect.do) {
      case 'quit':
        return this.#ended.abort();
      case 'repaint':
        return this.#painter.forget();
      case 'copy':
        // OSC 52: the terminal puts it on its own clipboard, also over SSH.
        return terminal.write(`\u001b]52;c;${Buffer.from(effect.text).toString('base64')}\u0007`);
      case 'bell':
        return terminal.write('\u0007');
      case 'suspend':
        this.#painter.leave();
        return terminal.suspend();
      case 'edit':
        this.#painter.leave();
        void terminal
          .edit(effect.text)
          .catch(() => null)
          .then((text) => {
            if (this.#ended.signal.aborted) return;
            this.#painter.enter();
            this.#send({ type: 'edited', text });
          });
        return;
      default:
        return this.#effects.run(effect);
    }
  }

  #input(text: string): void {
    for (const key of this.#decoder.push(text)) this.#send({ type: 'key', key });
    this.#timers.get('escape')?.();
    this.#timers.delete('escape');
    if (!this.#decoder.isWaiting) return;
    this.#after('escape', ESCAPE_MS, () => {
      for (const key of this.#decoder.flush()) this.#send({ type: 'key', key });
    });
  }

  #resized(): void {
    this.#painter.forget();
    this.#send({ type: 'resize', size: this.#deps.terminal.size });
  }

  #resumed(): void {
    this.#painter.enter();
    this.#resized();
  }

  #tick(): void {
    this.#after('tick', TICK_MS, () => {
      this.#send({ type: 'tick' });
      this.#tick();
    });
  }

  #schedule(): void {
    if (this.#timers.has('frame') || this.#ended.signal.aborted) return;
    const wait = Math.max(0, this.#drawnAt + FRAME_MS - this.#deps.clock.monotonic());
    this.#after('frame', wait, () => this.#draw());
  }

  /** Replaces a timer of the same name. */
  #after(name: 'frame' | 'tick' | 'resize' | 'escape', delayMs: number, action: () => void): void {
    this.#timers.get(name)?.();
    const cancel = this.#deps.clock.schedule(delayMs, () => {
      this.#timers.delete(name);
      if (this.#ended.signal.aborted) return;
      try {
        action();
      } catch (error) {
        this.#fail(error);
      }
    });
    this.#timers.set(name, cancel);
  }

  #draw(): void {
    if (!this.#painter.isEntered) return;
    const { columns } = this.#state.size;
    const frame = view(this.#state, this.#options.qr);
    const lines = frame.lines.map((line) => ansiOf(line, this.#options.colour));
    const key = `${columns}\n${lines.join('\n')}`;
    if (this.#drawn?.lines !== key) this.#drawn = { lines: key, rows: this.#layout.layOut(lines, columns) };
    this.#painter.paint({ rows: this.#drawn.rows, cursor: frame.cursor }, columns);
    this.#drawnAt = this.#deps.clock.monotonic();
  }
}
