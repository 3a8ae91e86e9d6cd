import { userInfo } from 'node:os';
import { Args, Flags } from '@oclif/core';
import { systemClock } from '../../lib/base/clock.js';
import { LOG_LEVELS, type Log } from '../../lib/base/log.js';
import { systemRandom } from '../../lib/base/random.js';
import { loadApprovalSettings } from '../../lib/cli/approval-settings.js';
import { collectCapabilities } from '../../lib/cli/capability-hook.js';
import { assertSocketPath } from '../../lib/cli/directories.js';
import { HostStory, statusWords } from '../../lib/cli/host-story.js';
import { JoinCommand, joinFlags } from '../../lib/cli/join-command.js';
import { findInvite } from '../../lib/cli/join-input.js';
import { pairedLine } from '../../lib/cli/join-report.js';
import { openTelling, type Telling } from '../../lib/cli/service/notify-socket.js';
import { openLog, withLogSettings } from '../../lib/cli/service-log.js';
import { listenForStop, type StopRequest } from '../../lib/cli/signals.js';
import { terminalChannel } from '../../lib/cli/terminal-questions.js';
import { transportFlag, wantedTransport } from '../../lib/cli/transport-flag.js';
import { startWatchdog } from '../../lib/cli/watchdog.js';
import type { LoadedCapabilities } from '../../lib/cli/plugins/load-capabilities.js';
import { Catalog, type SourcedRegistration } from '../../lib/node/capabilities/catalog.js';
import type { createNodeHost as CreateNodeHostFunction } from '../../lib/node/host.js';

type CreateNodeHost = typeof CreateNodeHostFunction;

export default class NodeRun extends JoinCommand<typeof NodeRun> {
  static override summary = 'Run this machine as a node; with a link or a host, pair it first';
  static override description = `Stays in the foreground and reconnects for ever. It ends with exit code 78 when a person must act: this machine is not paired, or the
daemon removed it. Ctrl-C stops it after running capabilities have ended; a second one stops it at once.`;
  static override aliases = ['join'];
  static override examples = [
    '<%= config.bin %> node run https://192.168.1.20:7443/j/K7QF2M9D4TXW-9Q3MZ8XHCV2R5T7WK4NBD6YJPE',
    '<%= config.bin %> node run',
    '<%= config.bin %> node run --transport poll',
    'echo K7QF-2M9D-4TXW | <%= config.bin %> node run 192.168.1.20 --code-stdin',
  ];
  static override args = {
    target: Args.string({ description: 'Link or host of the daemon to join, when this machine is not paired yet' }),
  };
  static override flags = {
    name: Flags.string({ helpValue: '<name>', description: 'Name to ask for when pairing (also: PALYRA_NODE_NAME)' }),
    ...joinFlags,
    ...transportFlag,
    'log-format': Flags.option({ options: ['pretty', 'json'] as const })({
      description: 'Log records on stderr instead of the story (also: PALYRA_LOG_FORMAT)',
    }),
    'log-level': Flags.option({ options: LOG_LEVELS })({ description: 'What is logged (also: PALYRA_LOG_LEVEL)' }),
    'log-file': Flags.string({ helpValue: '<file>', description: 'Log JSON lines to this file, 10 MB times 3' }),
  };

  async run() {
    assertSocketPath(this.directories.nodeSocketPath);
    // Without a log that somebody asked for, people are told the story and only warnings are logged.
    const asked =
      this.flags['log-format'] !== undefined ||
      this.flags['log-file'] !== undefined ||
      this.flags['log-level'] !== undefined;
    const { log, close } = await openLog(
      asked
        ? withLogSettings(this.flags, await this.settings())
        : { 'log-level': this.flags.verbose ? 'debug' : 'error' },
      this.output,
    );
    const telling = await openTelling(log);
    const stop = listenForStop((signal) => {
      log.info('stopping', { signal });
      telling.stopping();
    });
    try {
      return await this.#serve(log, stop, telling);
    } finally {
      stop.dispose();
      telling.close();
      close();
    }
  }

  async #serve(log: Log, stop: StopRequest, telling: Telling) {
    const { createNodeHost } = await import('../../lib/node/host.js');
    const { loadCapabilityModules } = await import('../../lib/node/capabilities/modules.js');
    const collected = await collectCapabilities<SourcedRegistration>(this.config, {
      data: this.directories.data,
      loadModules: loadCapabilityModules,
      onPrinted: (plugin, text) => log.debug('a plugin printed', { plugin, text }),
    });
    try {
      return await this.#host(collected, createNodeHost, { log, stop, telling });
    } finally {
      await collected.close();
    }
  }

  async #host(
    { registrations, failures }: LoadedCapabilities<SourcedRegistration>,
    createNodeHost: CreateNodeHost,
    { log, stop, telling }: { log: Log; stop: StopRequest; telling: Telling },
  ) {
    const { dialogChannel } = await import('../../lib/node/mediation/dialog.js');
    const { assertTransportUsable } = await import('../../lib/node/link/factories.js');
    const refused = Catalog.collect(registrations).failures;
    for (const { plugin, message } of failures) this.warn(`plugin ${plugin} adds no capabilities: ${message}`);
    for (const { plugin, message } of refused) this.warn(`plugin ${plugin}: ${message}`);
    // First, so that what cannot work is refused before this machine is paired.
    const transport = wantedTransport(this.flags.transport);
    await assertTransportUsable(transport);
    const host = createNodeHost(
      {
        stateDirectory: this.directories.nodeState,
        controlSocketPath: this.directories.nodeSocketPath,
        version: this.config.version,
        pluginFailures: failures,
        transport,
        proxy: await this.proxySettings(),
        approvals: await loadApprovalSettings(this.directories),
      },
      {
        clock: systemClock,
        random: systemRandom,
        log,
        registrations,
        person: userInfo().username,
        channels: [
          terminalChannel({ input: process.stdin, output: process.stderr }, this.canAsk),
          dialogChannel(process.env, process.platform, () => systemClock.now()),
        ].filter((channel) => channel !== null),
      },
    );
    const invite = await findInvite(this.args.target, this.flags);
    if (invite !== null) await this.#pair(invite, registrations, log, stop);
    const story = new HostStory(this.output, () => Date.now());
    host.onState((status) => {
      story.tell(status);
      // Connected or not: a node without its daemon waits for it.
      telling.ready(() => statusWords(host.status() ?? status));
    });
    const stopWatchdog = startWatchdog({
      pulse: () => {
        const status = host.status();
        return status === null ? null : { online: status.state === 'online', beats: status.beats };
      },
      onDeaf: () => {
        log.error('nothing is answered on a link that counts as up: ending, to be started again');
        process.exit(1);
      },
    });
    await host.run(stop.signal).finally(stopWatchdog);
    const status = host.status();
    this.output.say('Stopped. The pairing stays: palyra node run');
    process.exitCode = stop.exitCode() ?? 0;
    return {
      schema: 'palyra.node.run/v1',
      action: 'run',
      state: 'stopped',
      node: status === null ? null : { id: status.deviceId, name: status.name },
    };
  }

  async #pair(
    target: string,
    registrations: readonly SourcedRegistration[],
    log: Log,
    stop: StopRequest,
  ): Promise<void> {
    const { join } = await import('../../lib/node/join.js');
    const { pairing, changed } = await join(
      { ...(await this.joinOptions(stop.signal)), target, registrations },
      { clock: systemClock, random: systemRandom, log: log.scope('pairing') },
    );
    this.output.done(pairedLine(pairing, changed));
  }
}
