import { Flags } from '@oclif/core';
import { sessionColumns, whoDocument, whoLine } from '../lib/cli/access-report.js';
import { BaseCommand } from '../lib/cli/base-command.js';
import { plural } from '../lib/cli/daemon-report.js';
import { formatTable, formatTsv } from '../lib/cli/table.js';
import { printable } from '../lib/cli/text.js';

export default class WhoAmI extends BaseCommand<typeof WhoAmI> {
  static override summary = 'Who am I to the daemon, by which credential, through which context?';
  static override examples = [
    '<%= config.bin %> whoami',
    '<%= config.bin %> whoami --sessions',
    '<%= config.bin %> whoami --revoke ses_7H2K9Q4MXT --json',
  ];
  static override flags = {
    sessions: Flags.boolean({ description: 'List the sessions: one’s own, the owner sees everybody’s' }),
    revoke: Flags.string({
      helpValue: '<id>',
      description: 'End a session',
      exclusive: ['revoke-all'],
    }),
    'revoke-all': Flags.boolean({ description: 'End every session of one’s own, this one too' }),
  };

  async run() {
    const { context, source, url, credential } = this.target;
    const who = await this.client().getSession();
    const revoked = await this.#revoke();
    const where = url === null ? 'the daemon of this machine' : url;
    if (this.flags.quiet) this.output.result(who.operator);
    else this.output.result(printable(`${whoLine(who)} at ${where}, by ${who.credential}`));
    const from = context === null ? 'no context' : `context "${context}"`;
    this.output.say(`  ${from} (${source})${credential.startsWith('PALYRA') ? `, credential from ${credential}` : ''}`);
    if (who.scopes !== null) this.output.say(printable(`  may    ${who.scopes.join(', ')}`));
    // After --revoke-all this one may be gone too.
    const sessions = this.flags.sessions && !this.flags['revoke-all'] ? await this.client().listSessions() : null;
    if (sessions !== null) {
      const columns = sessionColumns(Date.now());
      const lines = this.flags.plain ? formatTsv(sessions, columns) : formatTable(sessions, columns);
      for (const line of lines) this.output.result(line);
    }
    if (revoked !== null) this.output.done(`${plural(revoked, 'session')} ended`);
    return {
      schema: 'palyra.whoami/v1',
      ...whoDocument(who),
      context,
      contextSource: source,
      credentialSource: credential,
      url,
      sessions,
      revoked,
    };
  }

  async #revoke(): Promise<number | null> {
    const { revoke } = this.flags;
    if (this.flags['revoke-all']) return (await this.client().revokeAllSessions()).revoked;
    if (revoke === undefined) return null;
    const id = revoke.startsWith('ses_') ? revoke : `ses_${revoke.toUpperCase()}`;
    return (await this.client().revokeSession(id)).changed ? 1 : 0;
  }
}
