/**
 * Whether and how to colour. Colour is never the only carrier of a meaning: a glyph or a word says the same.
 * Rules: https://no-color.org, FORCE_COLOR, TERM=dumb, --no-color; otherwise only a terminal gets colour.
 */
import { readVariable, type Environment } from './environment.js';

const SGR = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
export type Style = keyof typeof SGR;
export type Paint = (style: Style, text: string) => string;

export function wantsColour(isTerminal: boolean, argv: readonly string[], env: Environment = process.env): boolean {
  if (argv.includes('--no-color')) return false;
  const forced = readVariable('FORCE_COLOR', env);
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  if (readVariable('NO_COLOR', env) !== undefined || readVariable('TERM', env) === 'dumb') return false;
  return isTerminal;
}

export function createPaint(enabled: boolean): Paint {
  return enabled ? (style, text) => `\u001b[${SGR[style]}m${text}\u001b[0m` : (_style, text) => text;
}
