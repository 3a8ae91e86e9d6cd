/** The keys, in one place. */
import { scrolledText, type Body } from './layout.js';
import { line, seg } from './segments.js';

const KEYS: readonly (readonly [keys: string, meaning: string])[] = [
  ['↑ ↓  k j', 'move; PgUp PgDn by pages, g G to the ends'],
  ['⏎ →', 'open'],
  ['Esc ←', 'back'],
  ['/', 'filter: part of a name, label:site=lab, status:online'],
  ['s', 'sort by name, status, seen, platform, version'],
  ['Tab  1-5', 'tabs of a machine'],
  ['i', 'run a capability on the machine; ^E opens $EDITOR for its input'],
  ['a', 'approvals: ⏎ or A approve with the PIN, r or R reject with a reason, e name and labels'],
  ['d', 'dispatches; ⏎ everything about one, G follows the newest'],
  ['n', 'invite a new machine'],
  ['x', 'remove the machine (its name is typed)'],
  ['y', 'copy the command in the footer'],
  ['w', 'read-only lock on and off'],
  ['^L', 'paint the screen anew'],
  ['^Z', 'suspend; fg comes back'],
  ['q  ^C', 'quit'],
];

export function helpView(scroll: number, height: number): Body {
  const rows = KEYS.map(([keys, meaning]) => line('   ', seg(keys.padEnd(11), { bold: true }), meaning));
  return { lines: scrolledText([line(), ...rows], scroll, height) };
}
