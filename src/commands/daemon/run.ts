import { hostname, userInfo } from 'node:os';
import { Flags } from '@oclif/core';
import { systemClock } from '../../lib/base/clock.js';
import { PalyraError } from '../../lib/base/errors.js';
import { LOG_LEVELS, type Log } from '../../lib/base/log.js';
import { systemRandom } from '../../lib/base/random.js';
import { resolveListen } from '../../lib/base/listen-words.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { reportStart } from '../../lib/cli/daemon-process.js';
import { assertSocketPath } from '../../lib/cli/directories.js';
import { parseDuration } from '../../lib/cli/durations.js';
import { durationFlag, listenFlags } from '../../lib/cli/flags.js';
import { openTelling, type Telling } from '../../lib/cli/service/notify-socket.js';
import { openLog, withLogSettings } from '../../lib/cli/service-log.js';
import type { Settings } from '../../lib/cli/settings.js';
import { listenForStop } from '../../lib/cli/signals.js';

const DEFAULT_DRAIN_MS = 10_000;
/** Beyond the drain: closing connections and writing the last snapshot. */
const CLOSING_MS = 15_000;

export default class DaemonRun extends BaseCommand<typeof DaemonRun> {
  static override summary = 'Run the daemon in the foreground';
  static override description = `For service managers (it tells systemd when it listens, that it lives and that it stops) and containers: logs go to stderr (or --log-file), the first Ctrl-C or SIGTERM stops it after running dispatches
have ended, the second at once. Exit codes: 0 stopped by \`palyra daemon stop\`, 130 and 143 by a signal, 78 when a person must act first.`;
  static override examples = [
    '<%= config.bin %> daemon run',
    '<%= config.bin %> daemon run --log-format json --listen lan',
  ];
  static override flags = {
    ...listenFlags,
    'log-format': Flags.option({ options: ['pretty', 'json'] as const })({
      description: 'How records look on stderr (also: PALYRA_LOG_FORMAT)',
    }),
    'log-level': Flags.option({ options: LOG_LEVELS })({
      description: 'What is logged (also: PALYRA_LOG_LEVEL; default info)',
    }),
    'log-file': Flags.string({
      helpValue: '<file>',
      description: 'Log JSON lines to this file, 10 MB times 3, instead of stderr',
    }),
    drain: durationFlag({ description: 'How long the first signal waits for running dispatches (default 10s)' }),
  };

  async run() {
    const settings = await this.#settings();
    const { log, close } = await openLog(withLogSettings(this.flags, settings), this.output);
    const telling = await openTelling(log);
    try {
      return await this.#serve(log, settings, telling);
    } catch (error) {
      const failure = PalyraError.from(error, 'DAEMON_START_FAILED');
      log.error('the daemon could not start', { err: failure });
      await reportStart({ type: 'failed', error: failure.toFacts() });
      throw failure;
    } finally {
      telling.close();
      close();
    }
  }

  /** Read before there is a log: whoever started this process is told what is wrong with it. */
  async #settings(): Promise<Settings> {
    try {
      return await this.settings();
    } catch (error) {
      await reportStart({ type: 'failed', error: PalyraError.from(error).toFacts() });
      throw error;
    }
  }

  #quic(settings: Settings): { quic?: false | { maxConnections: number } } {
    if (!(this.flags.quic ?? settings.flag('daemon.quic') ?? true)) return { quic: false };
    const maxConnections = settings.number('daemon.quic_max_connections');
    return maxConnections === undefined ? {} : { quic: { maxConnections } };
  }

  async #serve(log: Log, settings: Settings, telling: Telling) {
    assertSocketPath(this.directories.socketPath);
    const [{ createDaemon }, { parseDaemonConfig }, { readExposure }] = await Promise.all([
      import('../../lib/daemon/daemon.js'),
      import('../../lib/daemon/config.js'),
      import('../../lib/daemon/exposure.js'),
    ]);
    // What was exposed last stands until a flag says otherwise for this run.
    const exposed = await readExposure(this.directories.daemonState);
    const ports = {
      port: this.flags.port ?? settings.number('daemon.port'),
      nodePort: this.flags['node-port'] ?? settings.number('daemon.node_port'),
      consolePort: this.flags['console-port'] ?? settings.number('daemon.console_port'),
    };
    const beat = settings.text('presence.heartbeat');
    const certificateLife = settings.text('daemon.node_certificate');
    const heartbeatMs = this.flags.heartbeat ?? (beat === undefined ? undefined : parseDuration(beat));
    const config = parseDaemonConfig({
      stateDirectory: this.directories.daemonState,
      socketPath: this.directories.socketPath,
      listen: resolveListen(this.flags.listen ?? exposed ?? settings.words('daemon.listen')),
      ...Object.fromEntries(Object.entries(ports).filter(([, port]) => port !== undefined)),
      ownerName: userInfo().username,
      daemonName: hostname(),
      version: this.config.version,
      ...this.#quic(settings),
      ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
      ...(certificateLife === undefined ? {} : { nodeCertificateMs: parseDuration(certificateLife) }),
    });
    const daemon = await createDaemon(config, { clock: systemClock, random: systemRandom, log });
    const stop = listenForStop((signal) => {
      log.info('stopping', { signal });
      void daemon.stop({ drainMs: this.flags.drain ?? DEFAULT_DRAIN_MS, reason: signal });
    });
    const listen = daemon.listeners;
    log.info('ready', { pid: process.pid, listen: listen.map(({ purpose, url }) => `${purpose} ${url}`) });
    telling.ready(() => {
      const { total, online, late, revoked } = daemon.runtime.summary().nodes;
      const urls = daemon.listeners.flatMap(({ purpose, url }) => (purpose === 'public' ? [url] : []));
      return `${online + late} of ${total - revoked} nodes connected; listens on ${urls.join(', ')}`;
    });
    void daemon.stopBegun.then(({ drainMs }) => telling.stopping(drainMs + CLOSING_MS));
    await reportStart({ type: 'ready' });
    const { reason, error } = await daemon.stopped;
    stop.dispose();
    if (error !== undefined) throw error;
    log.info('stopped', { reason });
    process.exitCode = stop.exitCode() ?? 0;
    return { schema: 'palyra.daemon.run/v1', action: 'run', state: 'stopped', reason, pid: process.pid, listen };
  }
}
