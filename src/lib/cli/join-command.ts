/** What `node pair <target>` and `node run <target>` share: the flags of a machine that joins, and what the joining needs to know of them. */
import { Flags, type Command } from '@oclif/core';
import { BaseCommand } from './base-command.js';
import { findCode, wantedName, type JoinFlags } from './join-input.js';
import { tellJoinStep, type JoinStep } from './join-report.js';

export const joinFlags = {
  'invite-file': Flags.string({
    helpValue: '<file>',
    description: 'Joining: read the link from a file (also: PALYRA_INVITE_FILE, PALYRA_INVITE)',
  }),
  'code-stdin': Flags.boolean({ description: 'Joining by host: read the code from stdin', exclusive: ['pin-flow'] }),
  'pin-flow': Flags.boolean({
    description: 'Joining by host: show a PIN and wait for a person (default without a code)',
  }),
};

export abstract class JoinCommand<T extends typeof Command> extends BaseCommand<T> {
  /** The options of a join, but for the target and the capabilities. */
  protected async joinOptions(signal: AbortSignal) {
    const flags = this.flags as JoinFlags & { readonly name?: string };
    return {
      findCode: () => findCode(flags, { canAsk: this.canAsk, canShow: !this.output.json && !this.output.quiet }),
      stateDirectory: this.directories.nodeState,
      name: wantedName(flags.name, await this.settings()),
      version: this.config.version,
      proxy: await this.proxySettings(),
      signal,
      onStep: (step: JoinStep) => tellJoinStep(this.output, step),
    };
  }
}
