/**
 * The text form of the audit log: one JSON object a line, each bound to the one before it by a hash, so that nothing in it can be changed, removed, put in
 * or moved without being seen. Pure functions: the daemon writes with them, and whoever has an exported file checks it with them, far from the daemon.
 *
 *   hash = SHA-256 of the line without its member `hash`;  prevHash = hash of the line before, 64 zeros for the first;  seq = 1, 2, 3, …
 *
 * Lines are canonical: members sorted by name, no white space, whole numbers, no control characters. That is RFC 8785 for what occurs here, and also what
 * `jq -cS` prints, so that any line can be checked by hand: `jq -cSj 'del(.hash)' | sha256sum`.
 *
 * What a chain cannot show by itself is that its end is missing. Whoever keeps the hash of its last entry elsewhere can (`ChainHead`).
 */
import { createHash } from 'node:crypto';

/** Who did it. `credential` says how they were known, never anything that lets its reader be them. */
export interface AuditActor {
  readonly kind: 'owner' | 'operator' | 'device' | 'anonymous' | 'invite' | 'daemon';
  readonly name: string;
  readonly credential: string;
}

export interface AuditOrigin {
  readonly listener: 'local' | 'public' | 'node-rpc' | 'console' | 'internal';
  /** `local` for this machine's own processes. */
  readonly address: string;
}

/** What it was done to: ids, names, counts, fingerprints. Never a code, an input or an output. */
export type AuditTarget = Readonly<Record<string, string | number>>;

/** An entry before it has its place in the chain. */
export interface AuditDraft {
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly actor: AuditActor;
  readonly origin: AuditOrigin;
  /** Route id, gRPC method, or decision of the daemon such as `certificate.issued`. */
  readonly action: string;
  readonly target: AuditTarget;
  /** `ok`, the reason of the refusal, or `interrupted`: the daemon ended before it knew. */
  readonly outcome: string;
  /** The same in everything one request caused to be written by its listener; null for decisions of the daemon. */
  readonly requestId: string | null;
}

export interface AuditEntry extends AuditDraft {
  readonly seq: number;
  readonly prevHash: string;
  readonly hash: string;
}

/** The last entry. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
}

export const EMPTY_CHAIN: ChainHead = { seq: 0, hash: '0'.repeat(64) };

export interface ChainProblem {
  /** Counted from 1. */
  readonly line: number;
  /** What the entry says it is; null when it cannot be read. */
  readonly seq: number | null;
  readonly problem: string;
}

export interface ChainReport {
  readonly ok: boolean;
  /** Entries that were found good, up to the first that was not. */
  readonly entries: number;
  readonly head: ChainHead;
  readonly firstBad: ChainProblem | null;
}

/** Longer texts are cut: an entry is a fact, not a copy of a request. Characters. */
const MAX_TEXT = 200;
// Control characters, line separators and halves of surrogate pairs: they have more than one JSON form, or obey no terminal.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]|\p{Cs}/gu;

/** The line of an entry, without its end, and the head of the chain behind it. */
export function sealEntry(draft: AuditDraft, after: ChainHead): { readonly line: string; readonly head: ChainHead } {
  const unsealed = { ...(cleaned(draft) as AuditDraft), seq: after.seq + 1, prevHash: after.hash };
  const hash = hashOf(unsealed);
  return { line: canonical({ ...unsealed, hash }), head: { seq: unsealed.seq, hash } };
}

/** Checks lines one after another. */
export class ChainVerifier {
  #head = EMPTY_CHAIN;
  #line = 0;
  #firstBad: ChainProblem | null = null;
  #missing: ChainHead | null;

  /** `mustHold`: an entry that is known from elsewhere to have been written. */
  constructor(mustHold: ChainHead | null = null) {
    this.#missing = mustHold === null || mustHold.seq === 0 ? null : mustHold;
  }

  /** False once something is wrong; the rest need not be read. */
  push(bytes: Buffer): boolean {
    if (this.#firstBad !== null) return false;
    this.#line += 1;
    const read = readEntry(bytes);
    if (typeof read === 'string') return this.#bad(null, read);
    const { seq, prevHash, hash } = read;
    if (seq !== this.#head.seq + 1) {
      const { seq: last } = this.#head;
      return this.#bad(seq, `number ${last + 1} was expected here: entries were removed, added or moved`);
    }
    if (prevHash !== this.#head.hash) return this.#bad(seq, 'it does not continue the entry before it');
    this.#head = { seq, hash };
    if (this.#missing?.seq === seq) {
      if (this.#missing.hash !== hash) return this.#bad(seq, 'another entry was written in this place');
      this.#missing = null;
    }
    return true;
  }

  end(): ChainReport {
    if (this.#firstBad === null && this.#missing !== null) {
      this.#firstBad = {
        line: this.#line + 1,
        seq: this.#head.seq + 1,
        problem: `it is missing: entries up to ${this.#missing.seq} were written`,
      };
    }
    return { ok: this.#firstBad === null, entries: this.#head.seq, head: this.#head, firstBad: this.#firstBad };
  }

  #bad(seq: number | null, problem: string): boolean {
    this.#firstBad = { line: this.#line, seq, problem };
    return false;
  }
}

/** The entry of a line whose own hash is right, or what is wrong with it. */
export function readEntry(bytes: Buffer): AuditEntry | string {
  const text = bytes.toString();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'it is not JSON';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is not an entry';
  // Also what JSON would forgive (white space, another spelling of a character, a repeated member) is a change.
  if (!Buffer.from(canonical(value)).equals(bytes)) return 'it is not in the form it was written in';
  const { hash, ...rest } = value as AuditEntry;
  if (typeof rest.seq !== 'number' || typeof rest.prevHash !== 'string') return 'it is not an entry';
  return hash === hashOf(rest) ? (value as AuditEntry) : 'its hash is not that of its content';
}

function hashOf(unsealed: object): string {
  return createHash('sha256').update(canonical(unsealed)).digest('hex');
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

function cleaned(value: unknown): unknown {
  if (typeof value === 'string') return value.slice(0, MAX_TEXT).replace(UNSAFE, '\ufffd');
  if (typeof value === 'number') return Math.trunc(value);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, cleaned(member)]));
}
