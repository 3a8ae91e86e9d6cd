/**
 * Notices what no message tells: that a node whose link is still open has fallen silent, or is heard again. Opening and closing a link are events of their
 * own; between them presence follows from the clock alone, so it is looked at once a tick.
 */
import type { RuntimeCore } from './core.js';
import type { OpenLink } from './links.js';
import { presenceOf } from './presence.js';
import type { Presence } from '../base/model.js';

export class PresenceWatch {
  readonly #core: RuntimeCore;
  /** What was last told about each link; a link that opens is told to be online. */
  readonly #told = new WeakMap<OpenLink, Presence>();

  constructor(core: RuntimeCore) {
    this.#core = core;
  }

  /** Publishes an event for every open link whose node is now seen otherwise than last told. */
  sweep(): void {
    const core = this.#core;
    const tx = core.begin();
    for (const link of core.links.all()) {
      const node = core.tables.nodes.get(link.nodeId);
      if (node === undefined) continue;
      const { presence } = presenceOf(node, link, tx.now);
      if (presence === (this.#told.get(link) ?? 'online')) continue;
      this.#told.set(link, presence);
      tx.events.push({ type: 'node.presence', nodeId: node.id, name: node.name, presence });
    }
    core.commitInBackground(tx, 'presence');
  }
}
