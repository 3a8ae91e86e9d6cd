import { Args, Flags } from '@oclif/core';
import { systemClock } from '../../lib/base/clock.js';
import { PalyraError } from '../../lib/base/errors.js';
import { silentLog } from '../../lib/base/log.js';
import { systemRandom } from '../../lib/base/random.js';
import { hostOf, portOf } from '../../lib/cli/addresses.js';
import { collectCapabilities } from '../../lib/cli/capability-hook.js';
import { findInvite } from '../../lib/cli/join-input.js';
import { JoinCommand, joinFlags } from '../../lib/cli/join-command.js';
import { pairedLine } from '../../lib/cli/join-report.js';
import type { CommandDocument } from '../../lib/cli/output.js';
import { installService, printSystemUnit } from '../../lib/cli/service/install-story.js';
import { keepProxy } from '../../lib/cli/service/keep-proxy.js';
import { nodeService } from '../../lib/cli/service/this-machine.js';
import { listenForStop } from '../../lib/cli/signals.js';
import type { SourcedRegistration } from '../../lib/node/capabilities/catalog.js';

export default class NodeInstall extends JoinCommand<typeof NodeInstall> {
  static override summary =
    'Keep this machine connected: install the node as a service; with a link or a host, pair it first';
  static override description = `Installs a service of this user (systemd, launchd or the Task Scheduler), starts it and waits until it is connected. Where no service manager
answers, as in a container, it runs as a background process. The link is used now and written nowhere. When a step fails, what was written is taken back.`;
  static override examples = [
    '<%= config.bin %> node install https://192.168.1.20:7443/j/K7QF2M9D4TXW-9Q3MZ8XHCV2R5T7WK4NBD6YJPE',
    '<%= config.bin %> node install',
    '<%= config.bin %> node install --system',
  ];
  static override args = {
    target: Args.string({ description: 'Link or host of the daemon to join, when this machine is not paired yet' }),
  };
  static override flags = {
    name: Flags.string({ helpValue: '<name>', description: 'Name to ask for when pairing (also: PALYRA_NODE_NAME)' }),
    ...joinFlags,
    system: Flags.boolean({
      description: 'Print a unit for the whole system, and the commands that install it with sudo',
    }),
    'keep-proxy': Flags.boolean({
      allowNo: true,
      default: true,
      description:
        'Write the proxy that leads to the daemon from HTTPS_PROXY to config.toml, where the service finds it',
    }),
    now: Flags.boolean({
      allowNo: true,
      default: true,
      description: 'Start it now, not only at the next login or boot',
    }),
  };

  async run(): Promise<CommandDocument> {
    const { publicEndpoint, ...node } = await this.#paired();
    const proxy = await keepProxy(
      { directories: this.directories, env: process.env, output: this.output },
      {
        daemon: { host: hostOf(publicEndpoint), port: portOf(publicEndpoint) },
        write: this.flags['keep-proxy'] && !this.flags.system,
      },
    );
    const service = nodeService(this.directories);
    const schema = 'palyra.node.install/v1';
    // Its log tells the story; without --quiet stderr, which goes to the same file, would tell it again.
    const context = { service, root: this.config.root, words: ['--quiet'], output: this.output };
    if (this.flags.system) return { schema, ...(await printSystemUnit(context)), node, proxy };
    const installed = await installService({
      ...context,
      startNow: this.flags.now,
      timeoutMs: this.flags.timeout,
      readyLine: `Connected as "${node.name}"`,
    });
    return { schema, ...installed, node, proxy };
  }

  async #paired(): Promise<{ id: string; name: string; publicEndpoint: string }> {
    const { join, readPairing } = await import('../../lib/node/join.js');
    const target = await findInvite(this.args.target, this.flags);
    if (target === null) {
      const pairing = await readPairing(this.directories.nodeState);
      if (pairing === null)
        throw new PalyraError('NODE_NOT_PAIRED', {
          hint: 'Get a link where the daemon is (palyra node pair), then: palyra node install <link>',
        });
      if (pairing.revoked) throw new PalyraError('NODE_REVOKED', { hint: 'Pair it again: palyra node install <link>' });
      return { id: pairing.id, name: pairing.name, publicEndpoint: pairing.publicEndpoint };
    }
    const { loadCapabilityModules } = await import('../../lib/node/capabilities/modules.js');
    const { registrations, close } = await collectCapabilities<SourcedRegistration>(this.config, {
      data: this.directories.data,
      loadModules: loadCapabilityModules,
    });
    const stop = listenForStop();
    const { pairing, changed } = await join(
      { ...(await this.joinOptions(stop.signal)), target, registrations },
      { clock: systemClock, random: systemRandom, log: silentLog },
    ).finally(() => {
      stop.dispose();
      return close();
    });
    this.output.done(pairedLine(pairing, changed));
    return { id: pairing.id, name: pairing.name, publicEndpoint: pairing.publicEndpoint };
  }
}
