/**
 * Keys from the bytes of a terminal. A sequence may arrive in pieces: what could still become one is kept until more comes or `flush` is called, which is
 * how a lone Escape is told from the beginning of an arrow key. Pasted text (bracketed paste) is one key with its text: no pasted character is a command.
 *
 * Unknown sequences are dropped whole, never typed into a field. The piece that is kept is bounded.
 */
export type Key =
  | { readonly name: 'text'; readonly text: string }
  | { readonly name: 'paste'; readonly text: string }
  | { readonly name: NamedKey };

export type NamedKey =
  | 'up'
  | 'down'
  | 'left'
  | 'right'
  | 'home'
  | 'end'
  | 'page-up'
  | 'page-down'
  | 'delete'
  | 'backspace'
  | 'enter'
  | 'escape'
  | 'tab'
  | 'back-tab'
  | 'ctrl-c'
  | 'ctrl-e'
  | 'ctrl-l'
  | 'ctrl-u'
  | 'ctrl-z';

const PASTE_BEGIN = '\u001b[200~';
const PASTE_END = '\u001b[201~';
const MAX_PENDING = 64 * 1024;

const CONTROLS: Readonly<Record<string, NamedKey>> = {
  '\u0003': 'ctrl-c',
  '\u0004': 'ctrl-c',
  '\u0005': 'ctrl-e',
  '\u0008': 'backspace',
  '\u0009': 'tab',
  '\u000a': 'enter',
  '\u000c': 'ctrl-l',
  '\u000d': 'enter',
  '\u0015': 'ctrl-u',
  '\u001a': 'ctrl-z',
  '\u007f': 'backspace',
};

const FINALS: Readonly<Record<string, NamedKey>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  H: 'home',
  F: 'end',
  Z: 'back-tab',
};
const NUMBERED: Readonly<Record<string, NamedKey>> = {
  1: 'home',
  3: 'delete',
  4: 'end',
  5: 'page-up',
  6: 'page-down',
  7: 'home',
  8: 'end',
};

export class KeyDecoder {
  #pending = '';

  /** Whether something is kept that more bytes may complete. */
  get isWaiting(): boolean {
    return this.#pending !== '';
  }

  push(bytes: string): Key[] {
    this.#pending += bytes;
    const keys: Key[] = [];
    for (;;) {
      const taken = this.#take();
      if (taken === null) break;
      if (taken.key !== null) keys.push(taken.key);
      this.#pending = this.#pending.slice(taken.length);
    }
    if (this.#pending.length > MAX_PENDING) this.#pending = '';
    return keys;
  }

  /** Nothing more came for a while: a lone Escape is a key, an unfinished sequence is nothing. A paste goes on. */
  flush(): Key[] {
    if (this.#pending.startsWith(PASTE_BEGIN)) return [];
    const lone = this.#pending === '\u001b';
    this.#pending = '';
    return lone ? [{ name: 'escape' }] : [];
  }

  #take(): { key: Key | null; length: number } | null {
    const text = this.#pending;
    if (text === '') return null;
    if (text[0] === '\u001b') return takeEscape(text);
    const control = CONTROLS[text[0]!];
    if (control !== undefined) return { key: { name: control }, length: 1 };
    if (text[0]! < ' ' || (text[0]! >= '\u0080' && text[0]! < '\u00a0')) return { key: null, length: 1 };
    // A key each, also when a slow line brings several at once: the first may be a command and the rest its text.
    const character = String.fromCodePoint(text.codePointAt(0)!);
    return { key: { name: 'text', text: character }, length: character.length };
  }
}

function takeEscape(text: string): { key: Key | null; length: number } | null {
  if (text.startsWith(PASTE_BEGIN)) {
    const end = text.indexOf(PASTE_END);
    if (end === -1) return null;
    return { key: { name: 'paste', text: text.slice(PASTE_BEGIN.length, end) }, length: end + PASTE_END.length };
  }
  if (text.length === 1) return null;
  if (text[1] === '\u001b') return { key: { name: 'escape' }, length: 1 };
  if (text[1] === 'O') {
    if (text.length === 2) return null;
    const name = FINALS[text[2]!];
    return { key: name === undefined ? null : { name }, length: 3 };
  }
  if (text[1] === '[') {
    const match = /^\u001b\[([0-9;<=>?]*)[ -/]*([@-~])/.exec(text);
    if (match === null) return /^\u001b\[[0-9;<=>?]*[ -/]*$/.test(text) ? null : { key: null, length: 2 };
    const [whole, parameters = '', final = ''] = match;
    const name = final === '~' ? NUMBERED[parameters.split(';')[0] ?? ''] : FINALS[final];
    return { key: name === undefined ? null : { name }, length: whole.length };
  }
  // Alt and a character: no command here, and not to be taken for the character alone.
  return { key: null, length: 1 + (text.codePointAt(1)! > 0xffff ? 2 : 1) };
}
