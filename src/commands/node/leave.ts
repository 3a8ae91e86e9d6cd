import { systemClock } from '../../lib/base/clock.js';
import { PalyraError } from '../../lib/base/errors.js';
import { yesFlag } from '../../lib/cli/flags.js';
import { readNodeSummary } from '../../lib/cli/host-socket.js';
import { confirmByName } from '../../lib/cli/prompts.js';
import { ServiceCommand } from '../../lib/cli/service/service-command.js';
import { printable } from '../../lib/cli/text.js';
import type { Pairing } from '../../lib/node/join.js';

const TIMEOUT_MS = 5_000;

export default class NodeLeave extends ServiceCommand<typeof NodeLeave> {
  static override summary =
    'Leave the fleet: stop, remove the service, and delete the pairing and the keys of this machine';
  static override description = `The daemon is told and withdraws its trust at once. One that cannot be reached sees the node going offline; there its owner
removes it: palyra nodes remove <name>. To come back, pair again.`;
  static override examples = ['<%= config.bin %> node leave', '<%= config.bin %> node leave --yes --json'];
  static override flags = { yes: yesFlag };

  async run() {
    const [{ readPairing }, { forgetEverything }] = await Promise.all([
      import('../../lib/node/join.js'),
      import('../../lib/node/forget.js'),
    ]);
    const pairing = await readPairing(this.directories.nodeState);
    if (pairing !== null) await this.#confirm(pairing);
    const service = this.nodeService();
    await service.stop();
    // Before anything is given up: one that was started by hand goes on and must be ended there.
    const other = await readNodeSummary(this.directories.nodeSocketPath);
    if (other !== null)
      throw new PalyraError('NODE_ALREADY_RUNNING', {
        detail: `process ${other.pid}`,
        hint: 'End it where it runs (Ctrl-C), then leave',
      });
    const removed = await service.uninstall({ withLog: true });
    const told = pairing === null || pairing.revoked ? null : await this.#tellDaemon(pairing);
    const forgot = await forgetEverything(this.directories.nodeState);
    const changed = forgot || removed.length > 0;
    this.output.done(
      changed ? 'This machine is no longer a node; its pairing and its keys are deleted' : 'This machine was no node',
    );
    return {
      schema: 'palyra.node.leave/v1',
      action: 'leave',
      changed,
      node: pairing === null ? null : { id: pairing.id, name: pairing.name },
      daemonTold: told,
      removed,
    };
  }

  async #confirm({ name, daemonName }: Pairing): Promise<void> {
    if (this.flags.yes) return;
    if (!this.canAsk) throw new PalyraError('CONFIRMATION_REQUIRED', { detail: `leaving ${daemonName}` });
    await confirmByName(
      printable(`"${name}" leaves ${daemonName}; its keys are deleted and this cannot be undone.`),
      name,
    );
  }

  /** As this node, by its certificate: nobody has to be logged in. */
  async #tellDaemon({ name, daemonName }: Pairing): Promise<boolean> {
    try {
      const { leaveDaemon } = await import('../../lib/node/leave.js');
      const proxy = await this.proxySettings();
      await leaveDaemon(this.directories.nodeState, { clock: systemClock }, { timeoutMs: TIMEOUT_MS, proxy });
      this.output.done(`${daemonName} no longer trusts this machine`);
      return true;
    } catch (error) {
      // Removed already: there is nothing left to withdraw.
      if (PalyraError.from(error).reason === 'NODE_REVOKED') return true;
      this.output.warn(`The daemon was not told. Where it is, run: palyra nodes remove ${printable(name)}`);
      return false;
    }
  }
}
