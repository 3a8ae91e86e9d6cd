import { Flags } from '@oclif/core';
import { systemClock } from '../../lib/base/clock.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { plural } from '../../lib/cli/daemon-report.js';
import { durationFlag } from '../../lib/cli/flags.js';
import { followRotation } from '../../lib/cli/follow-rotation.js';
import { rotationLines, type Rotation } from '../../lib/cli/rotation-report.js';
import { listenForStop } from '../../lib/cli/signals.js';

export default class DaemonRotateCa extends BaseCommand<typeof DaemonRotateCa> {
  static override summary = "Replace the daemon's certificate authority, while everything goes on";
  static override description = `Nodes are told over their links and renew their certificates; the old CA is retired when the last of them has the new one, be it days later.
Run again while it is under way, it goes on and says how far it is. --force does not wait for nodes that are away: they have to be paired again.
Links of invites end with the old CA. Contexts on other machines learn the new one when they are used while both are accepted; --overlap gives them time.`;
  static override examples = [
    '<%= config.bin %> daemon rotate-ca',
    '<%= config.bin %> daemon rotate-ca --overlap 7d',
    '<%= config.bin %> daemon rotate-ca --status --json',
    '<%= config.bin %> daemon rotate-ca --force',
  ];
  static override flags = {
    status: Flags.boolean({ description: 'Only say how far it is', exclusive: ['force', 'overlap'] }),
    force: Flags.boolean({ description: 'Do not wait for nodes that are away; at most 30 s for the others' }),
    overlap: durationFlag({
      description:
        'Keep the old CA at least so long, for contexts and invites (default: until every node has the new one)',
      exclusive: ['force'],
    }),
  };

  async run() {
    const client = this.client();
    if (this.flags.status) {
      const rotation = await client.caRotation();
      for (const line of rotationLines(rotation, Date.now())) this.output.result(line);
      return this.#document('status', false, rotation);
    }
    const begun = await client.rotateCa({ force: this.flags.force, keepMs: this.flags.overlap ?? 0 });
    const [first = ''] = rotationLines(begun.rotation, Date.now());
    if (begun.rotation.phase === 'overlap') this.output.say(first);
    const stop = listenForStop(() => this.output.say('The daemon goes on with it.'));
    try {
      const rotation = await followRotation(
        { client, clock: systemClock },
        { begun: begun.rotation, onChange: (sentence) => this.output.say(`  ${sentence}`), signal: stop.signal },
      );
      const code = stop.exitCode();
      if (code !== null) process.exitCode = code;
      this.#tell(rotation);
      return this.#document('rotate-ca', begun.changed, rotation);
    } finally {
      stop.dispose();
    }
  }

  #tell(rotation: Rotation): void {
    if (rotation.phase === 'done') {
      this.output.done(`The CA is ${rotation.ca} now; the key of the old one was removed`);
      if (rotation.invites > 0)
        this.warn(`${plural(rotation.invites, 'open invite')} ended with the old CA: make new ones`);
      if (rotation.leftBehind.length > 0)
        this.warn(`left behind, to be paired again with a new invite: ${rotation.leftBehind.join(', ')}`);
      return;
    }
    const [, ...more] = rotationLines(rotation, Date.now());
    this.output.done('Both CAs are accepted; the daemon goes on by itself');
    for (const line of more.slice(1)) this.output.say(`  ${line}`);
    this.output.say('  How far it is: palyra daemon rotate-ca --status');
    if (rotation.nodes.waiting.length > 0)
      this.output.say('  Without the nodes that are missing: palyra daemon rotate-ca --force');
  }

  #document(action: 'status' | 'rotate-ca', changed: boolean, rotation: Rotation) {
    return { schema: 'palyra.daemon.rotate-ca/v1', action, changed, rotation };
  }
}
