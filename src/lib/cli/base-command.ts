/**
 * What every command shares: one document on success and on failure under `--json`, the same exit code with and without it, warnings kept.
 * oclif alone does none of this: with `--json` it exits 1 for every error, prints its parser's state for a mistyped flag and drops warnings.
 *
 * A command returns its document; the base class prints it only under `--json`. What people read is printed by the command itself.
 */
import { Command, type Interfaces } from '@oclif/core';
import { PalyraError } from '../base/errors.js';
import type { ProxySettings } from '../base/proxy.js';
import { ControlPlaneClient, type ControlPlaneClientOptions } from '../client/control-plane-client.js';
import { directoriesOf, type Directories } from './directories.js';
import { GLOBAL_FLAGS } from './flags.js';
import type { CommandDocument, Output } from './output.js';
import { processOutput } from './process-output.js';
import { canAsk } from './prompts.js';
import type { Settings } from './settings.js';
import { assertHere, findTarget, isAboutThisMachine, localTarget, type Target } from './target.js';
import { exitRequest, toPalyraError } from './usage-errors.js';

export type FlagsOf<T extends typeof Command> = Interfaces.InferredFlags<
  (typeof BaseCommand)['baseFlags'] & T['flags']
>;
export type ArgsOf<T extends typeof Command> = Interfaces.InferredArgs<T['args']>;

export abstract class BaseCommand<T extends typeof Command> extends Command {
  static override enableJsonFlag = true;
  static override baseFlags = GLOBAL_FLAGS;

  protected readonly output: Output = processOutput();
  protected readonly directories: Directories = directoriesOf();
  protected flags!: FlagsOf<T>;
  protected args!: ArgsOf<T>;
  /** Every word that is not a flag, in order; for commands that take any number of them. */
  protected words: readonly string[] = [];
  #client: ControlPlaneClient | null = null;
  #target: Target | PalyraError | null = null;

  /** The document of this command, or nothing when it was already written. */
  abstract override run(): Promise<CommandDocument | undefined>;

  override async init(): Promise<void> {
    await super.init();
    const { args, flags, argv } = await this.parse({
      flags: this.ctor.flags,
      baseFlags: (super.ctor as typeof BaseCommand).baseFlags,
      enableJsonFlag: true,
      args: this.ctor.args,
      strict: this.ctor.strict,
    });
    this.flags = flags as FlagsOf<T>;
    this.args = args as ArgsOf<T>;
    this.words = argv as string[];
    this.output.quiet = flags.quiet;
    this.output.verbose = flags.verbose;
    const id = this.id ?? '';
    if (isAboutThisMachine(id)) {
      assertHere(id, flags);
      this.#target = localTarget(this.directories);
    } else if (id !== 'login') {
      // Kept until a daemon is asked for anything: help for a broken file must not need the file.
      this.#target = await findTarget(flags, this.directories).catch((error: unknown) => PalyraError.from(error));
    }
  }

  /** Which daemon this command is about; `login` finds its own. Throws what is wrong with the flags, the variables or the contexts. */
  protected get target(): Target {
    if (this.#target === null || this.#target instanceof PalyraError) throw this.#target ?? new PalyraError('INTERNAL');
    return this.#target;
  }

  /** The daemon of the context, or that of this machine over its local socket. Closed when the command ends. */
  protected client(
    options: Pick<ControlPlaneClientOptions, 'requestTimeoutMs' | 'safeReadRetries'> = {},
  ): ControlPlaneClient {
    this.#client ??= new ControlPlaneClient({
      ...this.target.options,
      ...(this.flags.timeout === undefined ? {} : { requestTimeoutMs: this.flags.timeout }),
      ...options,
    });
    return this.#client;
  }

  /** What the environment and the configuration files say; keys that nobody knows are warned about. Throws CONFIG_INVALID. */
  protected async settings(): Promise<Settings> {
    const { loadSettings } = await import('./settings.js');
    const settings = await loadSettings(this.directories);
    for (const warning of settings.warnings()) if (!this.output.warnings.includes(warning)) this.warn(warning);
    return settings;
  }

  /** The proxy that is set, and what is reached without it. Throws CONFIG_INVALID. */
  protected async proxySettings(): Promise<ProxySettings> {
    const { proxySettings } = await import('./proxy.js');
    return proxySettings(process.env, await this.settings());
  }

  protected get canAsk(): boolean {
    return canAsk({ json: this.output.json, noInput: this.flags['no-input'] });
  }

  override jsonEnabled(): boolean {
    return this.output.json;
  }

  override logJson(document: unknown): void {
    this.output.document(document as CommandDocument);
  }

  override warn(input: string | Error): string | Error {
    this.output.warn(input instanceof Error ? input.message : input);
    return input;
  }

  /** Ends the error here: oclif's own handler would print it again and choose another exit code. */
  protected override async catch(error: Error): Promise<void> {
    const requested = exitRequest(error);
    if (requested !== null) {
      process.exitCode = requested;
      return;
    }
    const failure = toPalyraError(error, (this.id ?? '').replaceAll(':', ' '), this.#flagNames());
    this.output.fail(failure);
    process.exitCode = this.exitCodeFor(failure);
  }

  /** A service may end with another code than the reason's own. */
  protected exitCodeFor(error: PalyraError): number {
    return error.exitCode;
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    await this.#keepTrust().catch((cause: unknown) =>
      this.warn(`what the daemon said of its new CA could not be kept: ${PalyraError.from(cause).message}`),
    );
    await this.#client?.close();
    await super.finally(error);
  }

  /** A daemon that replaces its CA says so; its context follows. */
  async #keepTrust(): Promise<void> {
    const learned = this.#client?.learnedTrust ?? null;
    if (learned === null || this.#target === null || this.#target instanceof PalyraError) return;
    const { context, options } = this.#target;
    const trustsTwo = (options.ca?.split('BEGIN CERTIFICATE').length ?? 0) > 2;
    if (context === null || options.ca === undefined || (learned.nextCaPem === null && !trustsTwo)) return;
    const { keepLearnedTrust } = await import('./learned-trust.js');
    await keepLearnedTrust(this.directories.config, context, learned);
  }

  #flagNames(): string[] {
    return [...Object.keys(GLOBAL_FLAGS), 'json', ...Object.keys(this.ctor.flags ?? {})];
  }
}
