import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { printable } from '../../lib/cli/text.js';

export default class TokensRevoke extends BaseCommand<typeof TokensRevoke> {
  static override summary = 'End a token at once';
  static override examples = [
    '<%= config.bin %> tokens revoke tok_7H2K9Q4MXT',
    '<%= config.bin %> tokens revoke 7H2K9Q4MXT --json',
  ];
  static override args = { token: Args.string({ required: true, description: 'Its id, as in palyra tokens list' }) };

  async run() {
    const { token: word } = this.args;
    const id = word.startsWith('tok_') ? word : `tok_${word.toUpperCase()}`;
    const { token, changed } = await this.client().revokeToken(id);
    this.output.done(printable(`${token.name} (${token.id}) ${changed ? 'is revoked' : 'was revoked already'}`));
    return { schema: 'palyra.tokens.revoke/v1', action: 'revoke', changed, token };
  }
}
