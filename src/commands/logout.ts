import { PalyraError } from '../lib/base/errors.js';
import { BaseCommand } from '../lib/cli/base-command.js';
import { messageOf } from '../lib/cli/output.js';
import { removeCredential } from '../lib/cli/stored-credentials.js';

/** The daemon has no such session any more: what was wanted is so. */
const ALREADY: readonly string[] = ['SESSION_ENDED', 'UNAUTHENTICATED', 'TOKEN_REFUSED'];

export default class Logout extends BaseCommand<typeof Logout> {
  static override summary = 'Log out: end the session at the daemon and remove the credential here';
  static override description = `The context stays, and with it whom this machine trusts at the address. A token that was used to log in stays valid; palyra tokens revoke ends it.
When the daemon cannot be told, the credential is removed all the same, and the session ends by itself when it is not used.`;
  static override examples = ['<%= config.bin %> logout', '<%= config.bin %> logout --context nas --json'];

  async run() {
    const { context, url, credential } = this.target;
    if (context === null || url === null) {
      throw new PalyraError('USAGE_INVALID', {
        detail:
          url === null
            ? 'the daemon of this machine needs no login, so there is none to end'
            : `${url} belongs to no context`,
        hint: 'See them: palyra context list',
      });
    }
    const told = credential === 'session' ? await this.#tell() : null;
    const changed = await removeCredential(this.directories.credentials, context);
    if (told !== null && told !== true) {
      this.output.warn(
        `the daemon could not be told: ${told}. The session ends by itself when it is not used; palyra whoami --revoke-all after the next login ends it at once`,
      );
    }
    if (credential === 'token') {
      this.output.warn('the token itself stays valid; to end it: palyra tokens revoke <id>');
    } else if (credential.startsWith('PALYRA_TOKEN')) {
      this.output.warn(`${credential} is set and was used; a session that was stored here was not ended at the daemon`);
    }
    this.output.done(changed ? `Logged out of ${context}` : `Not logged in to ${context}`);
    return { schema: 'palyra.logout/v1', action: 'logout', context, changed, told: told === true };
  }

  /** True, or why not. */
  async #tell(): Promise<true | string> {
    try {
      await this.client().logout();
      return true;
    } catch (error) {
      const failure = PalyraError.from(error);
      return ALREADY.includes(failure.reason) ? true : messageOf(failure);
    }
  }
}
