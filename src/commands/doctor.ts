import { release } from 'node:os';
import { Flags } from '@oclif/core';
import { systemClock } from '../lib/base/clock.js';
import { collectCapabilities } from '../lib/cli/capability-hook.js';
import { runningDaemon } from '../lib/cli/daemon-control.js';
import { createBundle, writeBundle } from '../lib/cli/doctor/bundle.js';
import { examine, toResult, type Check, type Examined } from '../lib/cli/doctor/check.js';
import { daemonChecks, fleetChecks } from '../lib/cli/doctor/daemon-checks.js';
import { doctorLines, doctorSummary } from '../lib/cli/doctor/doctor-report.js';
import { machineChecks } from '../lib/cli/doctor/machine-checks.js';
import { nodeChecks } from '../lib/cli/doctor/node-checks.js';
import { readPairingFacts } from '../lib/cli/doctor/pairing-facts.js';
import { proxyOnTheWay } from '../lib/cli/doctor/proxy-check.js';
import { askOverUdp, transportMode, udpCheck } from '../lib/cli/doctor/udp-check.js';
import { waitingCapabilities } from '../lib/cli/own-hook.js';
import { readNodeSummary } from '../lib/cli/host-socket.js';
import type { CommandDocument } from '../lib/cli/output.js';
import { runProgram } from '../lib/cli/service/programs.js';
import { Catalog, type SourcedRegistration } from '../lib/node/capabilities/catalog.js';
import { loadCapabilityModules } from '../lib/node/capabilities/modules.js';
import { ServiceCommand, thisService } from '../lib/cli/service/service-command.js';
import { thisPlace } from '../lib/cli/service/this-machine.js';

export default class Doctor extends ServiceCommand<typeof Doctor> {
  static override summary =
    'Look for what is wrong on this machine, or with one node of the fleet, and say how to repair it';
  static override description = `Each check takes at most 2 s. The exit code is 1 when there is a problem; warnings alone are 0. --bundle writes a report for a question
to somebody else: log tails and facts, without keys, codes and passwords; it never replaces a file.`;
  static override examples = [
    '<%= config.bin %> doctor',
    '<%= config.bin %> doctor --fix',
    '<%= config.bin %> doctor --node pi-lab --json',
    '<%= config.bin %> doctor --bundle report.json.gz',
  ];
  static override flags = {
    node: Flags.string({
      helpValue: '<node>',
      description: 'Look at this node of the fleet, as the daemon here sees it',
    }),
    fix: Flags.boolean({ description: 'Repair what can be repaired without sudo' }),
    bundle: Flags.string({
      helpValue: '<file>',
      description: 'Write a redacted report; compressed when it ends in .gz',
    }),
  };

  async run(): Promise<CommandDocument> {
    const checks = this.flags.node === undefined ? this.#checks() : fleetChecks(this.client(), this.flags.node);
    let examined = await examine(checks, systemClock);
    const fixed = this.flags.fix ? await this.#fix(examined) : [];
    if (fixed.length > 0) examined = await examine(this.#checks(), systemClock);
    for (const line of doctorLines(examined, this.flags.verbose)) this.output.result(line);
    this.output.say(doctorSummary(examined));
    const { bundle = null } = this.flags;
    if (bundle !== null) await this.#writeBundle(bundle, examined);
    const ok = examined.every(({ status }) => status !== 'fail');
    if (!ok) process.exitCode = 1;
    return { schema: 'palyra.doctor/v1', ok, checks: examined.map(toResult), fixed, bundle };
  }

  #checks(): Check[] {
    const { directories, config } = this;
    const version = config.version;
    const proxy = () => this.proxySettings();
    const pairing = () => readPairingFacts(directories.nodeState);
    const plugins = async () => {
      const { registrations, failures, close } = await collectCapabilities<SourcedRegistration>(config, {
        data: directories.data,
        loadModules: loadCapabilityModules,
      });
      await close();
      const { catalog, failures: refused } = Catalog.collect(registrations);
      const names = catalog.definitions().flatMap(({ name, plugin }) => (plugin === undefined ? [] : [name]));
      const waiting = await waitingCapabilities(config, directories.nodeState, names);
      return { failures: [...failures, ...refused], waiting };
    };
    const service = this.nodeService();
    const { user } = thisPlace();
    const now = () => systemClock.now();
    return [
      ...machineChecks({
        directories,
        version,
        nodeVersion: process.version,
        proxy,
        exceptions: async () => (await this.settings()).words('network.no_proxy') ?? [],
        pairing,
        plugins,
      }),
      ...daemonChecks({ client: this.client(), version, pairing, proxy }),
      ...nodeChecks({
        directories,
        service,
        daemonService: this.daemonService(),
        run: runProgram,
        user,
        version,
        now,
        pairing,
      }),
      udpCheck({
        proxy: () => proxyOnTheWay({ proxy, pairing }),
        ask: () => askOverUdp(config, directories.nodeState),
        mode: () => transportMode(directories.nodeSocketPath),
        local: () => runningDaemon(this.client()),
      }),
    ];
  }

  async #fix(examined: readonly Examined[]): Promise<string[]> {
    const fixed: string[] = [];
    for (const { id, repair } of examined) {
      if (repair === null) continue;
      try {
        const done = await repair();
        this.output.done(`Fixed: ${done}`);
        fixed.push(id);
      } catch (error) {
        this.output.warn(`${id} was not fixed: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return fixed;
  }

  async #writeBundle(path: string, examined: readonly Examined[]): Promise<void> {
    const { directories, config } = this;
    const [node, daemon] = [await thisService('node', directories), await thisService('daemon', directories)];
    const specs = [this.nodeService().spec, this.daemonService().spec];
    const variables = Object.keys(process.env).filter((name) => /^(PALYRA_|XDG_)|_PROXY$/i.test(name));
    const bytes = await createBundle(path, {
      facts: {
        madeAt: new Date().toISOString(),
        versions: {
          palyra: config.version,
          node: process.version,
          system: `${process.platform} ${process.arch} ${release()}`,
        },
        directories,
        // Names only: what is in them may be a secret.
        variables,
        services: { node, daemon },
        host: await readNodeSummary(directories.nodeSocketPath),
      },
      checks: examined.map(toResult),
      files: [...specs.map(({ wrapper }) => wrapper), ...[node, daemon].flatMap((view) => view?.unit ?? [])],
      logs: Object.fromEntries(specs.map(({ role, log }) => [role, log])),
    });
    await writeBundle(path, bytes);
    this.output.done(`Wrote ${path} (${Math.ceil(bytes.length / 1024)} KB). Read it before you send it`);
  }
}
