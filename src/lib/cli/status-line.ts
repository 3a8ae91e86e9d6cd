/**
 * One line that is rewritten in place while something is awaited. Only on a terminal that can do it; elsewhere nothing is drawn and the caller
 * prints one line a state change instead.
 */
import type { Output } from './output.js';
import { displayWidth } from './text.js';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 120;
const CLEAR = '\r\u001b[2K';

export class StatusLine {
  readonly #output: Output;
  readonly #enabled: boolean;
  #text = '';
  #frame = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(output: Output, options: { readonly enabled: boolean }) {
    this.#output = output;
    this.#enabled = options.enabled;
  }

  /** Shows the text; the first call starts the animation. */
  show(text: string): void {
    this.#text = text;
    if (!this.#enabled || this.#timer !== null) return;
    this.#timer = setInterval(() => this.#draw(), FRAME_MS);
    this.#draw();
  }

  /** Clears the line. What is said next starts at its beginning. */
  stop(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#output.draw(CLEAR);
  }

  #draw(): void {
    this.#frame = (this.#frame + 1) % FRAMES.length;
    const columns = process.stderr.columns ?? 80;
    // A line that wraps cannot be cleared with one sequence.
    const text =
      displayWidth(this.#text) + 2 < columns ? this.#text : `${this.#text.slice(0, Math.max(0, columns - 4))}…`;
    this.#output.draw(`${CLEAR}${FRAMES[this.#frame] ?? ''} ${text}`);
  }
}
