/** Writes docs/errors.md from the table of reasons. With --check it only compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CODES, REASONS } from '../src/lib/base/reasons.js';

export const ERRORS_DOC = fileURLToPath(new URL('../docs/errors.md', import.meta.url));

export function errorsMarkdown(): string {
  const lines = [
    '# Errors',
    '',
    'Every failure has one of these reasons: `error.code` in JSON, `reason` in HTTP problem documents and in gRPC error details. Names are stable for ever.',
    'The exit code is the same with and without `--json`. "Safe to repeat" means that the same call, unchanged, can help later and does no harm.',
    '',
    'Generated from `src/lib/base/reasons*.ts` by `npm run docs:errors`; a test compares both.',
    '',
  ];
  for (const [reason, row] of Object.entries(REASONS).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const code = CODES[row.code];
    lines.push(
      `### ${reason}`,
      '',
      `${row.title}. ${row.hint}.`.replaceAll('<', '&lt;'),
      '',
      `exit ${row.exit ?? code.exit} · HTTP ${code.http} · gRPC ${row.code} · ${row.retrySafe === true ? 'safe to repeat' : 'repeating it unchanged does not help'}`,
      '',
    );
  }
  return lines.join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = errorsMarkdown();
  if (!process.argv.includes('--check')) writeFileSync(ERRORS_DOC, text);
  else if (readFileSync(ERRORS_DOC, 'utf8') !== text) {
    process.stderr.write('docs/errors.md is stale. Run: npm run docs:errors\n');
    process.exitCode = 1;
  }
}
