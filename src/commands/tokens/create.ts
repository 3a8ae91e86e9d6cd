import { open, rm } from 'node:fs/promises';
import { Args, Flags } from '@oclif/core';
import { PalyraError } from '../../lib/base/errors.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { longDuration } from '../../lib/cli/durations.js';
import { durationFlag } from '../../lib/cli/flags.js';
import { printable } from '../../lib/cli/text.js';

export default class TokensCreate extends BaseCommand<typeof TokensCreate> {
  static override summary = 'Make a token for a script: limited to what it is given, for a limited time';
  static override description = `The secret is shown once, on stdout; with --out it goes into a new file that only you can read, and is shown nowhere. A token can never do more
than the role of its operator. Scopes: daemon:read, daemon:write, nodes:read, nodes:write, invoke, invoke:<capability>, dispatches:read,
dispatches:write, invites:read, invites:write, approvals:read, approvals:decide, audit:read, events:read, metrics:read, operators:read,
operators:write, tokens:read, tokens:write.`;
  static override examples = [
    '<%= config.bin %> tokens create ci --scope nodes:read,invoke:echo --expires 30d --out ./token',
    '<%= config.bin %> tokens create metrics --scope metrics:read --expires 365d --json',
  ];
  static override args = { name: Args.string({ required: true, description: 'What it is for' }) };
  static override flags = {
    scope: Flags.string({
      required: true,
      multiple: true,
      helpValue: '<scope,…>',
      description: 'What it may do; repeat it or separate with commas',
    }),
    expires: durationFlag({ description: 'How long it is good, a minute to 365d (default 30d)' }),
    operator: Flags.string({ helpValue: '<name>', description: 'Owner only: a token of another operator' }),
    out: Flags.string({ helpValue: '<file>', description: 'Write the secret to this new file, readable by you only' }),
  };

  async run() {
    const { out, expires, operator } = this.flags;
    const scopes = this.flags.scope.flatMap((text) => text.split(',')).map((word) => word.trim());
    // Before the token: one that cannot be written down would be lost.
    const file = out === undefined ? null : await openNew(out);
    try {
      const { secret, ...token } = await this.client().createToken({
        name: this.args.name,
        scopes: scopes.filter((word) => word !== ''),
        ...(expires === undefined ? {} : { expiresInMs: expires }),
        ...(operator === undefined ? {} : { operator }),
      });
      await file?.writeFile(`${secret}\n`);
      // To the minute: some milliseconds are gone already.
      const left = longDuration(Math.round((Date.parse(token.expiresAt) - Date.now()) / 60_000) * 60_000);
      this.output.done(printable(`Token "${token.name}" (${token.id}) of ${token.operator}, good for ${left}`));
      if (out === undefined) {
        this.output.say('  Its secret, shown this once:');
        this.output.result(secret);
      } else this.output.say(`  Its secret is in ${out}`);
      return {
        schema: 'palyra.tokens.create/v1',
        action: 'create',
        token,
        secret: out === undefined ? secret : null,
        file: out ?? null,
      };
    } catch (error) {
      if (out !== undefined) await rm(out, { force: true });
      throw error;
    } finally {
      await file?.close();
    }
  }
}

async function openNew(path: string) {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST';
    throw new PalyraError('USAGE_INVALID', {
      detail: exists ? `${path} exists; nothing is overwritten` : `cannot write ${path}`,
      cause: error,
    });
  }
}
