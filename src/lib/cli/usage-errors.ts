/** oclif's parse errors as PalyraErrors: one line that names the flag or argument, never a dump of the parser's state. */
import { PalyraError } from '../base/errors.js';
import { closest } from './text.js';

interface ParseError extends Error {
  readonly parse?: unknown;
  readonly flags?: readonly string[];
  readonly args?: readonly ({ readonly name: string } | string)[] | Readonly<Record<string, unknown>>;
  readonly oclif?: { readonly exit?: number };
}

/** `this.exit(n)` of oclif: an exit code and nothing to say. */
export function exitRequest(error: unknown): number | null {
  const candidate = error as { code?: unknown; oclif?: { exit?: unknown } } | null;
  return candidate?.code === 'EEXIT' && typeof candidate.oclif?.exit === 'number' ? candidate.oclif.exit : null;
}

/** Any error of a command as a PalyraError. `command` is its id with spaces, `flags` are the names it knows. */
export function toPalyraError(error: unknown, command: string, flags: readonly string[]): PalyraError {
  const candidate = error as ParseError;
  const isReasoned = typeof (candidate as { reason?: unknown }).reason === 'string';
  if (isReasoned || !(error instanceof Error) || (candidate.parse === undefined && candidate.oclif === undefined)) {
    return PalyraError.from(error);
  }
  return new PalyraError('USAGE_INVALID', {
    detail: usageDetail(candidate, flags),
    hint: `See what it takes: palyra ${command} --help`,
  });
}

function usageDetail(error: ParseError, flags: readonly string[]): string {
  if (error.flags !== undefined) {
    const names = error.flags.join(', ');
    const near = closest((error.flags[0] ?? '').replace(/^--?/, '').replace(/=.*$/s, ''), flags);
    return `unknown flag${error.flags.length === 1 ? '' : 's'} ${names}${near === null ? '' : `; did you mean --${near}?`}`;
  }
  if (Array.isArray(error.args) && error.message.startsWith('Missing')) {
    const names = (error.args as readonly { name: string }[]).map((arg) => `<${arg.name}>`);
    return `missing ${names.join(' ')}`;
  }
  return firstSentence(error.message);
}

/** oclif appends help and colours; the first paragraph says it all. */
function firstSentence(message: string): string {
  const text = message

    .replace(/\u001b\[[0-9;]*m/g, '')
    .replace(/See more help with --help/g, '')
    .replace(/^The following errors? occurred:\s*/, '');
  return text.trim().replace(/\s*\n\s*/g, '; ');
}
