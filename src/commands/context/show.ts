import { Args } from '@oclif/core';
import { PalyraError } from '../../lib/base/errors.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { contextViews } from '../../lib/cli/context-report.js';
import { Contexts } from '../../lib/cli/contexts.js';
import { credentialPath } from '../../lib/cli/stored-credentials.js';

export default class ContextShow extends BaseCommand<typeof ContextShow> {
  static override summary = 'Which daemon do commands speak to, and why that one?';
  static override description = `Flags go before variables, and variables before what is stored: --daemon, --context, PALYRA_DAEMON, PALYRA_CONTEXT, the current context, the
daemon of this machine. PALYRA_TOKEN and PALYRA_TOKEN_FILE take the place of the credential of a context.`;
  static override examples = ['<%= config.bin %> context show', '<%= config.bin %> context show nas --json'];
  static override args = { name: Args.string({ description: 'A context (default: the one in effect)' }) };

  async run() {
    const all = await contextViews(await Contexts.read(this.directories.config), this.directories);
    const source = this.args.name === undefined ? this.target.source : null;
    const name = this.args.name?.toLowerCase() ?? this.target.context;
    const context = all.find((candidate) => candidate.name === name) ?? null;
    if (context === null && name !== null) throw new PalyraError('CONTEXT_NOT_FOUND', { detail: name });
    const url = context === null ? this.target.url : context.url;
    this.output.result(`${context?.name ?? '(no context)'}   ${url ?? 'the daemon of this machine'}`);
    if (source !== null)
      this.output.say(`  chosen by   ${source === 'default' ? 'nothing else being chosen' : source}`);
    if (context?.operator !== undefined && context.operator !== null)
      this.output.say(
        `  as          ${context.operator} (${context.role ?? '?'})${context.loggedIn ? '' : ', logged out'}`,
      );
    if (context?.identity !== undefined && context.identity !== null)
      this.output.say(`  identity    ${context.identity}`);
    const credentialsFile =
      context === null || url === null ? null : credentialPath(this.directories.credentials, context.name);
    return { schema: 'palyra.context.show/v1', context, contextSource: source, url, credentialsFile };
  }
}
