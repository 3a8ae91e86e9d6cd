import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PalyraError } from '../../lib/base/errors.js';
import { yesFlag } from '../../lib/cli/flags.js';
import { readNodeSummary } from '../../lib/cli/host-socket.js';
import { logGenerations } from '../../lib/cli/log-file.js';
import { ask } from '../../lib/cli/prompts.js';
import { shortPath } from '../../lib/cli/service/service-story.js';
import { ServiceCommand } from '../../lib/cli/service/service-command.js';
import { settingsFiles } from '../../lib/cli/settings.js';
import { printable } from '../../lib/cli/text.js';

export default class NodeSeal extends ServiceCommand<typeof NodeSeal> {
  static override summary = 'Prepare this machine to be copied: keep its settings, drop its identity';
  static override description = `What was configured, switched on and allowed here stays, and so does an installed service, stopped. Keys, certificates, the pairing,
results that wait and the logs of the node are deleted, so that every copy pairs as a machine of its own. The daemon is not told: what this machine was stays in
its list until it is removed there.`;
  static override examples = ['<%= config.bin %> node seal', '<%= config.bin %> node seal --yes --json'];
  static override flags = { yes: yesFlag };

  async run() {
    const [{ readPairing }, { sealNode }] = await Promise.all([
      import('../../lib/node/join.js'),
      import('../../lib/node/forget.js'),
    ]);
    const { nodeState, nodeSocketPath } = this.directories;
    const pairing = await readPairing(nodeState);
    if (pairing !== null && !this.flags.yes) {
      if (!this.canAsk)
        throw new PalyraError('CONFIRMATION_REQUIRED', { detail: 'deleting the identity of this machine' });
      const question = `Delete the keys of "${pairing.name}" and its pairing with ${pairing.daemonName}?`;
      if (!/^y(es)?$/i.test(await ask(printable(`? ${question} [y/N] `)))) throw new PalyraError('CANCELLED');
    }
    const service = this.nodeService();
    const stopped = await service.stop();
    const other = await readNodeSummary(nodeSocketPath);
    if (other !== null)
      throw new PalyraError('NODE_ALREADY_RUNNING', {
        detail: `process ${other.pid}`,
        hint: 'End it where it runs (Ctrl-C), then seal',
      });
    const sealed = await sealNode(nodeState);
    // They name the machine, its daemon and what was asked of it.
    const logs = logGenerations(service.spec.log).filter((path) => existsSync(path));
    for (const path of logs) await rm(path, { force: true });
    const removed = [...sealed.removed, ...logs];
    const installed = service.installed();
    const files = [
      settingsFiles(this.directories).user,
      ...(installed === null ? [] : [service.spec.wrapper, installed.place]),
    ];
    const kept = [...sealed.kept, ...files.filter((path) => existsSync(path))];
    await this.#tell({ removed, kept, stopped });
    if (pairing !== null)
      this.output.say(
        `  What this machine was is still in the list of ${printable(pairing.daemonName)}; there: palyra nodes remove ${printable(pairing.name)}`,
      );
    return {
      schema: 'palyra.node.seal/v1',
      action: 'seal',
      changed: removed.length > 0,
      node: pairing === null ? null : { id: pairing.id, name: pairing.name },
      service: installed === null ? 'none' : 'kept',
      removed,
      kept,
    };
  }

  async #tell(what: { readonly removed: string[]; readonly kept: string[]; readonly stopped: boolean }): Promise<void> {
    const { output } = this;
    if (what.stopped) output.say('  The service was stopped; it stays installed.');
    for (const path of what.removed) output.say(`  removed  ${shortPath(path)}`);
    for (const path of what.kept) output.say(`  kept     ${shortPath(path)}`);
    output.done(
      what.removed.length > 0
        ? 'Sealed. Copy this machine; on each copy: palyra node install <link>'
        : 'This machine has no identity: it can be copied as it is',
    );
    const name = (await this.settings()).text('node.name');
    if (name !== undefined)
      output.warn(
        `Every copy will ask for the name ${name} (node.name); to have each take its own: palyra config unset node.name`,
      );
    if (!isEmpty(this.directories.credentials))
      output.warn('Logins of palyra are on this machine and will be on every copy; to end them: palyra logout');
    if (existsSync(join(this.directories.daemonState, 'identity')))
      output.warn(`A daemon has its CA in ${shortPath(this.directories.daemonState)}; every copy would have its key`);
  }
}

function isEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0;
  } catch {
    return true;
  }
}
