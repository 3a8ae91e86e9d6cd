import { Args, Flags } from '@oclif/core';
import { systemClock } from '../../lib/base/clock.js';
import { PalyraError } from '../../lib/base/errors.js';
import { systemRandom } from '../../lib/base/random.js';
import { collectCapabilities } from '../../lib/cli/capability-hook.js';
import { runningDaemon } from '../../lib/cli/daemon-control.js';
import { durationFlag } from '../../lib/cli/flags.js';
import {
  confirmReplacement,
  inviteRequest,
  tellInvite,
  waitForJoiners,
  warnIfLoopbackOnly,
} from '../../lib/cli/invite-desk.js';
import { JoinCommand, joinFlags } from '../../lib/cli/join-command.js';
import { findInvite } from '../../lib/cli/join-input.js';
import { certificateView, pairedLine } from '../../lib/cli/join-report.js';
import { normalizeQrFlag, parseQrForm, showQr } from '../../lib/cli/qr-flag.js';
import { openLog } from '../../lib/cli/service-log.js';
import { listenForStop } from '../../lib/cli/signals.js';
import type { CommandDocument } from '../../lib/cli/output.js';
import type { SourcedRegistration } from '../../lib/node/capabilities/catalog.js';

export default class NodePair extends JoinCommand<typeof NodePair> {
  static override summary = 'Invite a machine to join the daemon here, or join this machine to a daemon';
  static override description = `Without a target it makes an invite: a link, a code, and with --qr a QR code. One machine may use it, for 10 minutes, unless flags say otherwise.
With a target, a link or a host, this machine asks to join; palyra node run <link> does the same and then stays connected.
If the QR code does not scan, set the line spacing of the terminal to 1.0.`;
  static override examples = [
    '<%= config.bin %> node pair --qr',
    '<%= config.bin %> node pair --name pi-lab --label site=lab --expires 1h',
    '<%= config.bin %> node pair --replace pi-lab',
    '<%= config.bin %> node pair --qr=png:invite.png --json',
  ];
  static override args = { target: Args.string({ description: 'Link or host, on the machine that joins' }) };
  static override flags = {
    qr: Flags.string({ helpValue: '[large|png:FILE]', description: 'Show the invite as a QR code too' }),
    name: Flags.string({ helpValue: '<name>', description: 'Name of the node' }),
    label: Flags.string({ multiple: true, helpValue: '<k=v>', description: 'Label of the node; repeat it for more' }),
    purpose: Flags.string({ helpValue: '<text>', description: 'What the node is for' }),
    uses: Flags.integer({
      min: 1,
      max: 10_000,
      helpValue: '<n>',
      description: 'How many machines may use the invite (default 1)',
    }),
    expires: durationFlag({ description: 'How long the invite is good, 30s to 24h (default 10m)' }),
    capability: Flags.string({
      multiple: true,
      helpValue: '<name>',
      description: 'Grant only this capability; repeat it for more',
    }),
    approve: Flags.boolean({
      description: 'Who comes with the invite waits until a person says yes: palyra approvals',
    }),
    replace: Flags.string({
      helpValue: '<node>',
      description:
        'Who joins takes the place of this node: its name, labels, purpose and grants. The old key is revoked then',
    }),
    force: Flags.boolean({ description: 'With --replace: also while the old node is connected' }),
    ephemeral: durationFlag({
      description: 'Remove the node by itself when nobody has seen it for this long, 1m to 365d (default: it stays)',
    }),
    address: Flags.string({ helpValue: '<host:port>', description: 'Address to put into the link' }),
    wait: Flags.boolean({ allowNo: true, description: 'Wait for the machine to join (default on a terminal)' }),
    ...joinFlags,
  };

  override async init(): Promise<void> {
    this.argv = normalizeQrFlag(this.argv);
    await super.init();
  }

  async run() {
    const invite = await findInvite(this.args.target, this.flags);
    return invite === null ? this.#invite() : this.#join(invite);
  }

  async #invite(): Promise<CommandDocument> {
    const client = this.client();
    const qr = this.flags.qr === undefined ? null : parseQrForm(this.flags.qr);
    const daemon = await runningDaemon(client);
    if (daemon === null) throw new PalyraError('DAEMON_NOT_HERE');
    const flags = await confirmReplacement(client, this.flags, this.output, this.canAsk);
    const invite = await client.createInvite(inviteRequest(flags));
    warnIfLoopbackOnly(daemon, this.output);
    await tellInvite(invite, this.output, qr === null ? null : () => showQr(qr, invite.link, this.output));
    const waits =
      this.flags.wait ?? (!this.output.json && !this.flags.quiet && process.stderr.isTTY && process.stdout.isTTY);
    const redeemed = waits ? await waitForJoiners(client, invite, this.output, this.flags.timeout) : [];
    return { schema: 'palyra.invite/v1', invite, ...(waits ? { redeemedBy: redeemed } : {}) };
  }

  async #join(target: string): Promise<CommandDocument> {
    const { join } = await import('../../lib/node/join.js');
    const { loadCapabilityModules } = await import('../../lib/node/capabilities/modules.js');
    const { registrations, close } = await collectCapabilities<SourcedRegistration>(this.config, {
      data: this.directories.data,
      loadModules: loadCapabilityModules,
    });
    const { log } = await openLog({ 'log-level': 'warn' }, this.output);
    const stop = listenForStop();
    const { pairing, changed } = await join(
      { ...(await this.joinOptions(stop.signal)), target, registrations },
      { clock: systemClock, random: systemRandom, log },
    ).finally(() => {
      stop.dispose();
      return close();
    });
    this.output.done(pairedLine(pairing, changed));
    this.output.say('  Next:  palyra node run');
    return {
      schema: 'palyra.node.pair/v1',
      action: 'pair',
      changed,
      node: { id: pairing.id, name: pairing.name },
      daemon: { name: pairing.daemonName, url: pairing.publicEndpoint },
      certificate: certificateView(pairing.certificate, Date.now()),
    };
  }
}
