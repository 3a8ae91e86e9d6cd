import { Flags } from '@oclif/core';
import { systemClock } from '../../lib/base/clock.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { certificateView, dayOf } from '../../lib/cli/join-report.js';
import { printable } from '../../lib/cli/text.js';

const TIMEOUT_MS = 10_000;

export default class NodeRenew extends BaseCommand<typeof NodeRenew> {
  static override summary = 'Renew the certificate of this machine now';
  static override description = `A running node renews it by itself at two thirds of its life; this is for those who do not want to wait. Name, grants and what runs stay as they
are. A running node changes over within a minute. It works until 30 days after the certificate expired; a machine that was removed is refused.`;
  static override examples = ['<%= config.bin %> node renew', '<%= config.bin %> node renew --new-key --json'];
  static override flags = {
    'new-key': Flags.boolean({ default: false, description: 'Change the private key too' }),
  };

  async run() {
    const { renewCertificate } = await import('../../lib/node/renew.js');
    const stateDirectory = this.directories.nodeState;
    const newKey = this.flags['new-key'];
    const proxy = await this.proxySettings();
    const options = { stateDirectory, newKey, replacing: null, byKey: false, timeoutMs: TIMEOUT_MS, proxy };
    const { credentials } = await renewCertificate(options, { clock: systemClock });
    const { identity, certificate } = credentials;
    this.output.done(
      printable(
        `${identity.daemonName} gave "${identity.name}" a new certificate, valid until ${dayOf(certificate.notAfter)}`,
      ),
    );
    return {
      schema: 'palyra.node.renew/v1',
      action: 'renew',
      changed: true,
      node: { id: identity.deviceId, name: identity.name },
      newKey,
      certificate: certificateView(certificate, Date.now()),
    };
  }
}
