import { Args, Flags } from '@oclif/core';
import { PalyraError } from '../lib/base/errors.js';
import { whoLine } from '../lib/cli/access-report.js';
import { BaseCommand } from '../lib/cli/base-command.js';
import { warnAboutOverride } from '../lib/cli/context-report.js';
import { Contexts } from '../lib/cli/contexts.js';
import { parseDaemonAddress, parseContextName } from '../lib/cli/daemon-address.js';
import { readVariable } from '../lib/cli/environment.js';
import { chooseName, logIn, reachDaemon, type Proof } from '../lib/cli/login-desk.js';
import { readPassword } from '../lib/cli/password-input.js';
import { environmentToken, readTokenFile } from '../lib/cli/remote-target.js';
import { listenForStop } from '../lib/cli/signals.js';
import { printable } from '../lib/cli/text.js';

/** A request to log in lasts no longer. */
const APPROVAL_WAIT_MS = 15 * 60_000;

export default class Login extends BaseCommand<typeof Login> {
  static override summary = 'Log in to a daemon, from this or another machine';
  static override description = `No browser is needed: a PIN is shown, and a person who may approve types it where the daemon is. It waits for that person, on a terminal and
off it, for as long as the request lasts or --timeout says. A script, and whatever uses --json, logs in with a token or a password.

The first time the identity of the daemon is shown; compare it with palyra daemon status there, or give it with --fingerprint. From then on this
machine talks to that daemon only. The credential is kept in a file that only you can read.`;
  static override examples = [
    '<%= config.bin %> login nas.lan',
    '<%= config.bin %> login https://192.168.1.20:7443 --name nas --fingerprint "9Q3M Z8XH CV2R 5T7W"',
    '<%= config.bin %> login nas.lan --operator eva --password-stdin < password.txt',
    '<%= config.bin %> login nas.lan --token-file ./token --json',
  ];
  static override args = {
    daemon: Args.string({ description: 'Host, host:port or https://host:port (default: that of the context)' }),
  };
  static override flags = {
    name: Flags.string({ helpValue: '<name>', description: 'Name of the context (default: from the host)' }),
    operator: Flags.string({ helpValue: '<name>', description: 'Whom to log in as (default: who approves decides)' }),
    password: Flags.boolean({
      description: 'Ask for the password of --operator, in place of an approval',
      dependsOn: ['operator'],
    }),
    'password-stdin': Flags.boolean({
      description: 'Read the password of --operator from stdin',
      dependsOn: ['operator'],
      exclusive: ['password', 'token-file'],
    }),
    'token-file': Flags.string({
      helpValue: '<file>',
      description: 'Log in with the token in this file (also: PALYRA_TOKEN, PALYRA_TOKEN_FILE)',
      exclusive: ['operator'],
    }),
    fingerprint: Flags.string({
      helpValue: '<words|sha256:hex>',
      description: 'Identity that the daemon must have',
    }),
  };

  async run() {
    const contexts = await Contexts.read(this.directories.config);
    const address = parseDaemonAddress(this.#place(contexts));
    const name = chooseName(contexts, address, this.flags.name ?? this.flags.context);
    const early = await this.#earlyProof();
    const stop = listenForStop();
    try {
      const wanted = this.flags.fingerprint ?? null;
      const proxy = await this.proxySettings();
      const trust = await reachDaemon(contexts, { address, name, wanted, proxy, signal: stop.signal });
      const identity = trust.words === null ? trust.remark : `identity ${trust.words}   (${trust.remark})`;
      this.output.done(`Reached ${address.url.replace('https://', '')}, ${identity}`);
      const proof = early ?? (await this.#password()) ?? { by: 'approval', operator: this.flags.operator ?? null };
      const { who, credentialsFile } = await logIn(
        contexts,
        {
          address,
          name,
          trust,
          version: this.config.version,
          requestTimeoutMs: 10_000,
          waitMs: this.flags.timeout ?? APPROVAL_WAIT_MS,
          signal: stop.signal,
        },
        proof,
        { output: this.output, credentials: this.directories.credentials, proxy },
      );
      this.output.done(printable(`Logged in as ${whoLine(who)}. Context "${name}" is now current.`));
      this.output.say(`  Credential: ${credentialsFile} (only you can read it)`);
      warnAboutOverride(this.output);
      return {
        schema: 'palyra.login/v1',
        action: 'login',
        context: name,
        url: address.url,
        identity: trust.words,
        operator: who.operator,
        role: who.role,
        credential: who.credential,
        scopes: who.scopes,
        expiresAt: who.session?.expiresAt ?? null,
        credentialsFile,
      };
    } catch (error) {
      if (stop.signal.aborted) throw new PalyraError('CANCELLED', { detail: 'the request to log in ends by itself' });
      throw error;
    } finally {
      stop.dispose();
    }
  }

  /** The argument, or whatever the context and the variables name. */
  #place(contexts: Contexts): string {
    const { context, daemon, name } = this.flags;
    const word = this.args.daemon ?? daemon;
    if (word !== undefined) return word;
    const wanted = name ?? context;
    if (wanted !== undefined && contexts.has(wanted)) return contexts.get(parseContextName(wanted)).url;
    const variable = readVariable('PALYRA_DAEMON');
    if (variable !== undefined) return variable;
    const inEffect = readVariable('PALYRA_CONTEXT') ?? contexts.current;
    if (wanted === undefined && inEffect !== null) return contexts.get(inEffect).url;
    throw new PalyraError('USAGE_INVALID', {
      detail: 'which daemon?',
      hint: 'Give its address: palyra login nas.lan',
    });
  }

  /** What needs no person is looked at before anything is connected. */
  async #earlyProof(): Promise<Proof | null> {
    const file = this.flags['token-file'];
    if (file !== undefined) return { by: 'token', token: await readTokenFile(file) };
    if (this.flags.operator !== undefined) {
      if (this.flags['password-stdin']) return this.#password();
    } else {
      const variable = await environmentToken(process.env);
      if (variable !== null) return { by: 'token', token: variable.token };
    }
    if (!this.flags.password && (this.output.json || this.flags.quiet)) {
      throw new PalyraError('USAGE_INVALID', {
        detail: 'with --json and --quiet no PIN could be shown',
        hint: 'Use --token-file, PALYRA_TOKEN or --operator with --password-stdin',
      });
    }
    return null;
  }

  async #password(): Promise<Proof | null> {
    const { operator, password, 'password-stdin': fromStdin } = this.flags;
    if (operator === undefined || !(password || fromStdin)) return null;
    const question = `Password of ${operator}`;
    return { by: 'password', operator, password: await readPassword({ fromStdin, canAsk: this.canAsk, question }) };
  }
}
