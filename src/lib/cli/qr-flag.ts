/** `--qr`, `--qr=large` and `--qr=png:FILE`: what to draw, and whether this terminal can. */
import { writeFile } from 'node:fs/promises';
import { PalyraError } from '../base/errors.js';
import { readVariable } from './environment.js';
import type { Output } from './output.js';
import { fitsTerminal, qrLines, qrModules, qrPng } from './qr.js';

export type QrForm =
  { readonly kind: 'terminal'; readonly large: boolean } | { readonly kind: 'png'; readonly file: string };

const WORDS = ['--qr=large', '--qr=png:FILE'];

/**
 * oclif flags either take a value or do not; this one may. A bare `--qr` becomes `--qr=terminal` before parsing, and so never swallows the
 * link that follows it.
 */
export function normalizeQrFlag(argv: readonly string[]): string[] {
  const end = argv.indexOf('--');
  return argv.map((word, index) => (word === '--qr' && (end === -1 || index < end) ? '--qr=terminal' : word));
}

/** Throws USAGE_INVALID. */
export function parseQrForm(text: string): QrForm {
  if (text === 'terminal') return { kind: 'terminal', large: false };
  if (text === 'large') return { kind: 'terminal', large: true };
  if (/^png:./s.test(text)) return { kind: 'png', file: text.slice('png:'.length) };
  throw new PalyraError('USAGE_INVALID', { detail: `--qr=${text} is none of --qr, ${WORDS.join(', ')}` });
}

/** Draws or writes the code. A terminal that cannot show one gets a line that says so; the link is enough to join. */
export async function showQr(form: QrForm, link: string, output: Output): Promise<void> {
  const modules = qrModules(link.toUpperCase());
  if (form.kind === 'png') {
    try {
      await writeFile(form.file, qrPng(modules), { mode: 0o600 });
    } catch (error) {
      throw new PalyraError('USAGE_INVALID', { detail: `cannot write ${form.file}`, cause: error });
    }
    output.done(`QR code written to ${form.file}`);
    return;
  }
  if (output.json || output.quiet || !process.stdout.isTTY || readVariable('TERM') === 'dumb') return;
  const terminal = { columns: process.stdout.columns, rows: process.stdout.rows };
  if (!fitsTerminal(modules, terminal, form.large)) {
    output.say(
      `(the QR code does not fit ${terminal.columns}x${terminal.rows}: make the window larger or use --qr=png:FILE)`,
    );
    return;
  }
  const trueColour = ['truecolor', '24bit'].includes(readVariable('COLORTERM') ?? '');
  for (const line of qrLines(modules, { trueColour, large: form.large })) output.result(`   ${line}`);
}
