/**
 * What the process says: results on stdout, everything said about them on stderr, and under `--json` exactly one document on stdout and nothing else.
 *
 * Under `--json` both streams are held before any plugin is loaded, so that a stray `console.log` of a plugin cannot spoil the document.
 * Invariants: at most one document is written; warnings are in it; stderr stays empty.
 */
import type { PalyraError } from '../base/errors.js';
import { createPaint, wantsColour, type Paint } from './colour.js';
import { readSwitch, type Environment } from './environment.js';
import { printable } from './text.js';

export interface Stream {
  write(text: string): boolean;
  readonly isTTY?: boolean;
}

export interface CommandDocument {
  /** Such as `palyra.nodes.list/v1`. */
  readonly schema: string;
  readonly [field: string]: unknown;
}

/** Whether the caller wants a document, known before flags are parsed: an error while parsing must be one too. */
export function wantsJson(argv: readonly string[], env: Environment = process.env): boolean {
  const end = argv.indexOf('--');
  const own = end === -1 ? argv : argv.slice(0, end);
  return own.includes('--json') || readSwitch('PALYRA_JSON', env);
}

/** The error document, without its envelope. */
export function toErrorDocument(error: PalyraError): CommandDocument {
  return {
    schema: 'palyra.error/v1',
    error: {
      code: error.reason,
      exitCode: error.exitCode,
      message: messageOf(error),
      hint: error.hint,
      retrySafe: error.retrySafe,
      details: error.details,
      docs: `docs/errors.md#${error.reason.toLowerCase()}`,
    },
  };
}

/** Title and detail. Not `error.message`: oclif's flag parser edits that one. */
export function messageOf(error: PalyraError): string {
  return error.detail === null ? error.title : `${error.title}: ${error.detail}`;
}

export class Output {
  readonly json: boolean;
  quiet = false;
  verbose = false;
  /** Colours for stderr. */
  readonly paint: Paint;
  readonly #stdout: Stream;
  readonly #stderr: Stream;
  readonly #warnings: string[] = [];
  #written = false;
  #streaming = false;

  constructor(streams: { stdout: Stream; stderr: Stream }, argv: readonly string[], env: Environment = process.env) {
    this.#stdout = streams.stdout;
    this.#stderr = streams.stderr;
    this.json = wantsJson(argv, env);
    this.paint = createPaint(wantsColour(streams.stderr.isTTY === true, argv, env));
  }

  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** A result for people or scripts, on stdout. Silent under `--json`: the document says it. */
  result(line: string): void {
    if (!this.json) this.#stdout.write(`${line}\n`);
  }

  /** Part of the story, on stderr. */
  say(line = ''): void {
    if (!this.json && !this.quiet) this.#stderr.write(`${line}\n`);
  }

  /** A step that is done. */
  done(line: string): void {
    this.say(`${this.paint('green', '✓')} ${line}`);
  }

  /** Something to know that does not stop the command. */
  warn(text: string): void {
    this.#warnings.push(text);
    if (!this.json) this.#stderr.write(`${this.paint('yellow', '!')} ${text}\n`);
  }

  /** Raw text to stderr for things that draw (a QR code, a status line). Nothing under `--json` or `--quiet`. */
  draw(text: string): void {
    if (!this.json && !this.quiet) this.#stderr.write(text);
  }

  /** The one document of `--json`. A second one is dropped: the first was the answer. */
  document(document: CommandDocument): void {
    if (!this.json || this.#written) return;
    this.#written = true;
    const { schema, ...fields } = document;
    this.#stdout.write(`${JSON.stringify({ schema, ...fields, warnings: this.#warnings }, null, 2)}\n`);
  }

  /** One line of a stream (`logs -f --json`): the command that streams writes no document. */
  line(value: unknown): void {
    this.#written = true;
    this.#streaming = true;
    this.#stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** One line of a stream that is JSON already, as it is. */
  raw(line: string): void {
    this.#written = true;
    this.#stdout.write(`${line}\n`);
  }

  /** Tells what went wrong, in the form that was asked for: after lines of a stream as the last line, so that it does not end in silence. The cause is private: only `-v` on this terminal shows it. */
  fail(error: PalyraError): void {
    if (this.json) {
      if (this.#streaming) this.line({ ...toErrorDocument(error), warnings: this.#warnings });
      else this.document(toErrorDocument(error));
      return;
    }
    this.#stderr.write(`${this.paint('red', '✗')} ${printable(messageOf(error))}\n`);
    if (error.hint !== '') this.#stderr.write(`  ${printable(error.hint)}\n`);
    if (this.verbose && error.cause !== undefined) this.#stderr.write(`${causeOf(error.cause)}\n`);
  }
}

function causeOf(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
