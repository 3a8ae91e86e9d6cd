/**
 * The machine's own last word, in its state directory: which capabilities are on, what is allowed without asking, who is not to ask for a while, and the last
 * answers that people gave. The daemon neither reads nor changes it. Every change is on disk before it holds.
 *
 * Always true: what is off here is not announced and not run, whatever the daemon granted; what did not come with palyra is off until somebody switches it
 * on here, but for what the machine had when it was paired; a yes that nobody gave is not in `decisions`.
 */
import { join } from 'node:path';

import { PalyraError } from '../base/errors.js';
import { readPrivateFile, writeFileAtomic } from '../base/files.js';
import { parseBoundedJson } from '../base/json.js';
import type { JsonValue } from '../base/model.js';
import type { Answer, ChannelName } from '../base/questions.js';
import type { CapabilityDefinition } from './capabilities/capability.js';
import { exactInput } from './capabilities/consent.js';

export interface AllowRule {
  readonly capability: string;
  readonly pattern: string;
  readonly addedAt: number;
  /** `answer`: somebody chose "always"; `command`: `node capabilities allow`; `config`: the configuration file. */
  readonly by: 'answer' | 'command' | 'config';
}

/** For one caller and one capability. */
export interface Mute {
  readonly capability: string;
  readonly requestedBy: string;
  readonly until: number;
}

/** What was decided about one dispatch; `rule`: an allowed pattern answered for the person. */
export interface Decision {
  readonly dispatch: string;
  readonly capability: string;
  readonly subject: string;
  readonly requestedBy: string;
  readonly answer: Answer;
  readonly via: ChannelName | 'rule';
  readonly by: string;
  readonly at: number;
}

/** What decides whether a capability is on. */
type Switched = Pick<CapabilityDefinition, 'name' | 'offByDefault' | 'plugin'>;

interface Document {
  readonly version: 1;
  readonly enabled: readonly string[];
  readonly disabled: readonly string[];
  readonly allow: readonly AllowRule[];
  readonly mutes: readonly Mute[];
  readonly decisions: readonly Decision[];
}

/** Patterns that hold because the configuration says so. */
export type ConfiguredRules = Readonly<Record<string, readonly string[]>>;

/** The file below the state directory of a node. */
export const POLICY_FILE = 'policy.json';
const EMPTY: Document = { version: 1, enabled: [], disabled: [], allow: [], mutes: [], decisions: [] };
/** More rules than a person could ever look through; the next one is refused. */
const MAX_RULES = 512;
const MAX_NAMES = 512;
const MAX_MUTES = 64;
const MAX_DECISIONS = 100;
const MAX_FILE_BYTES = 4 * 1024 * 1024;

export class NodePolicy {
  readonly #path: string;
  readonly #configured: ConfiguredRules;
  readonly #listeners = new Set<() => void>();
  #document: Document;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, document: Document, configured: ConfiguredRules) {
    this.#path = path;
    this.#document = document;
    this.#configured = configured;
  }

  /** Throws STATE_NOT_OWNED or STATE_CORRUPT. The caller holds the node's lock when it means to change anything. */
  static async open(stateDirectory: string, configured: ConfiguredRules = {}): Promise<NodePolicy> {
    const path = join(stateDirectory, POLICY_FILE);
    const bytes = await readPrivateFile(path);
    return new NodePolicy(path, bytes === null ? EMPTY : readDocument(bytes, path), configured);
  }

  /** Called after each change of what is on. Returns what ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  isOn({ name, offByDefault, plugin }: Switched): boolean {
    if (this.#document.disabled.includes(name)) return false;
    return (offByDefault !== true && plugin === undefined) || this.#document.enabled.includes(name);
  }

  /** As `isOn` while the machine is paired: what plugins have brought by then is shown to whoever lets it in. */
  isOnWhenPairing({ name, offByDefault = false }: Switched): boolean {
    return this.isOn({ name, offByDefault });
  }

  /** A capability of a plugin about which nobody has said anything here. */
  isWaiting(name: string): boolean {
    return !this.#document.enabled.includes(name) && !this.#document.disabled.includes(name);
  }

  /** Switches on what was there when the machine was paired, as far as nobody has switched it off. */
  async accept(names: readonly string[]): Promise<void> {
    await this.#change((document) => {
      const added = names.filter((name) => this.isWaiting(name));
      return { ...document, enabled: [...document.enabled, ...added].slice(0, MAX_NAMES) };
    });
  }

  /** Patterns of the configuration first. */
  rules(capability?: string): AllowRule[] {
    const configured = Object.entries(this.#configured).flatMap(([name, patterns]) =>
      patterns.map((pattern) => ({ capability: name, pattern, addedAt: 0, by: 'config' as const })),
    );
    const all = [...configured, ...this.#document.allow];
    return capability === undefined ? all : all.filter((rule) => rule.capability === capability);
  }

  patterns(capability: string): string[] {
    return this.rules(capability).map(({ pattern }) => pattern);
  }

  /** The rule that fits, or null. A pattern that cannot be read fits nothing. */
  allowedBy(
    { name, consent = exactInput }: Pick<CapabilityDefinition, 'name' | 'consent'>,
    input: JsonValue,
  ): AllowRule | null {
    return (
      this.rules(name).find(({ pattern }) => {
        try {
          return consent.matches(pattern, input) === true;
        } catch {
          return false;
        }
      }) ?? null
    );
  }

  mutedUntil(capability: string, requestedBy: string, now: number): number | null {
    const mute = this.#document.mutes.find((row) => row.capability === capability && row.requestedBy === requestedBy);
    return mute !== undefined && mute.until > now ? mute.until : null;
  }

  mutes(now: number): readonly Mute[] {
    return this.#document.mutes.filter(({ until }) => until > now);
  }

  /** Oldest first. */
  get decisions(): readonly Decision[] {
    return this.#document.decisions;
  }

  /** False when it was so already. Throws a storage reason. */
  async setOn(name: string, on: boolean): Promise<boolean> {
    return this.#change((document) => {
      const without = (names: readonly string[]) => names.filter((other) => other !== name);
      const enabled = on ? [...without(document.enabled), name] : without(document.enabled);
      const disabled = on ? without(document.disabled) : [...without(document.disabled), name];
      if (enabled.length > MAX_NAMES || disabled.length > MAX_NAMES) throw tooMany('names', MAX_NAMES);
      return { ...document, enabled, disabled };
    });
  }

  /** False when it was allowed already. */
  async allow(rule: AllowRule): Promise<boolean> {
    return this.#change((document) => {
      if (document.allow.some((other) => isSame(other, rule))) return document;
      if (document.allow.length >= MAX_RULES) throw tooMany('patterns', MAX_RULES);
      return { ...document, allow: [...document.allow, rule] };
    });
  }

  /** Takes back a pattern, or with null every pattern and mute of the capability. False when there was none. */
  async forget(capability: string, pattern: string | null): Promise<boolean> {
    return this.#change((document) => {
      const isMeant = (rule: { capability: string; pattern?: string }) =>
        rule.capability === capability && (pattern === null || rule.pattern === pattern);
      const allow = document.allow.filter((rule) => !isMeant(rule));
      const mutes = pattern === null ? document.mutes.filter((mute) => !isMeant(mute)) : document.mutes;
      if (allow.length === document.allow.length && mutes.length === document.mutes.length) return document;
      return { ...document, allow, mutes };
    });
  }

  /** Keeps what was set and drops what happened: what was asked, by whom, and who was told to ask no more. */
  async forgetHistory(): Promise<boolean> {
    return this.#change((document) =>
      document.mutes.length + document.decisions.length === 0 ? document : { ...document, mutes: [], decisions: [] },
    );
  }

  /** What a decision means from now on, and that it was made, in one write. */
  async decide(decision: Decision, lasting: { readonly allow?: AllowRule; readonly mute?: Mute } = {}): Promise<void> {
    await this.#change((document) => {
      const { allow, mute } = lasting;
      const isNew = allow !== undefined && !document.allow.some((other) => isSame(other, allow));
      const mutes = document.mutes.filter(
        (other) =>
          other.until > decision.at &&
          !(other.capability === mute?.capability && other.requestedBy === mute.requestedBy),
      );
      return {
        ...document,
        allow: isNew && document.allow.length < MAX_RULES ? [...document.allow, allow] : document.allow,
        mutes: mute === undefined ? mutes : [...mutes, mute].slice(-MAX_MUTES),
        decisions: [...document.decisions, decision].slice(-MAX_DECISIONS),
      };
    });
  }

  /** One after the other; what cannot be written does not hold. */
  async #change(edit: (document: Document) => Document): Promise<boolean> {
    const turn = this.#writing.then(async () => {
      const before = this.#document;
      const after = edit(before);
      if (JSON.stringify(after) === JSON.stringify(before)) return false;
      await writeFileAtomic(this.#path, `${JSON.stringify(after, null, 1)}\n`);
      this.#document = after;
      const isOther = (key: 'enabled' | 'disabled') => JSON.stringify(after[key]) !== JSON.stringify(before[key]);
      if (isOther('enabled') || isOther('disabled')) for (const listener of [...this.#listeners]) listener();
      return true;
    });
    this.#writing = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }
}

function isSame(a: AllowRule, b: AllowRule): boolean {
  return a.capability === b.capability && a.pattern === b.pattern;
}

function tooMany(what: string, limit: number): PalyraError {
  return new PalyraError('CONFIG_INVALID', { detail: `a machine keeps at most ${limit} ${what}; take one back first` });
}

function readDocument(bytes: Buffer, path: string): Document {
  const corrupt = (detail: string, cause?: unknown) =>
    new PalyraError('STATE_CORRUPT', { detail: `${path}: ${detail}`, ...(cause === undefined ? {} : { cause }) });
  if (bytes.length > MAX_FILE_BYTES) throw corrupt('it is too large');
  let value: unknown;
  try {
    value = parseBoundedJson(bytes.toString('utf8'), { maxKeys: 100_000 });
  } catch (error) {
    throw corrupt('it is not JSON', error);
  }
  const isText = (field: unknown) => typeof field === 'string';
  const isNumber = (field: unknown) => typeof field === 'number' && Number.isFinite(field);
  const rows = (name: keyof Document, texts: readonly string[], numbers: readonly string[]) => {
    const list = (value as Record<string, unknown> | null)?.[name];
    const fits =
      Array.isArray(list) &&
      list.every(
        (row: Record<string, unknown> | null) =>
          typeof row === 'object' &&
          row !== null &&
          texts.every((key) => isText(row[key])) &&
          numbers.every((key) => isNumber(row[key])),
      );
    if (!fits) throw corrupt(`"${name}" is not as it was written`);
    return list as never;
  };
  const names = (name: 'enabled' | 'disabled') => {
    const list = (value as Record<string, unknown> | null)?.[name];
    if (!Array.isArray(list) || !list.every(isText)) throw corrupt(`"${name}" is not as it was written`);
    return list;
  };
  return {
    version: 1,
    enabled: names('enabled'),
    disabled: names('disabled'),
    allow: rows('allow', ['capability', 'pattern', 'by'], ['addedAt']),
    mutes: rows('mutes', ['capability', 'requestedBy'], ['until']),
    decisions: rows('decisions', ['dispatch', 'capability', 'answer', 'via'], ['at']),
  };
}
