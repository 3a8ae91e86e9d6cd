/** What doctor found, for people: a glyph and a word each, so that nothing is said by colour or glyph alone. */
import { plural } from '../daemon-report.js';
import { printable } from '../text.js';
import type { CheckResult, CheckStatus } from './check.js';

const GLYPHS: Readonly<Record<CheckStatus, string>> = {
  pass: '✓ ok   ',
  warn: '! warn ',
  fail: '✗ fail ',
  skip: '- skip ',
};

function doctorLine({ status, detail, fix }: CheckResult): string {
  return printable(`${GLYPHS[status]}${detail}${fix === null ? '' : `   → ${fix}`}`);
}

/** A line a check; those that do not matter here are one line a reason, unless all is asked for. */
export function doctorLines(results: readonly CheckResult[], all: boolean): string[] {
  if (all) return results.map(doctorLine);
  const skipped = new Map<string, number>();
  const lines: string[] = [];
  for (const result of results) {
    if (result.status !== 'skip') lines.push(doctorLine(result));
    else skipped.set(result.detail, (skipped.get(result.detail) ?? 0) + 1);
  }
  for (const [why, count] of skipped) lines.push(printable(`${GLYPHS.skip}${plural(count, 'check')}: ${why}`));
  return lines;
}

export function doctorSummary(results: readonly CheckResult[]): string {
  const count = (wanted: CheckStatus) => results.filter(({ status }) => status === wanted).length;
  const problems = count('fail');
  const warnings = count('warn');
  if (problems + warnings === 0) return 'Nothing is wrong.';
  const words = `${plural(problems, 'problem')}, ${plural(warnings, 'warning')}.`;
  return `${words}   --fix repairs what it can without sudo · --bundle <file> writes a redacted report`;
}
