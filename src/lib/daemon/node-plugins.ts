/**
 * Which plugins of which nodes failed, as each node said when it registered last. Memory only: a node says it again after every restart, and of one that has
 * not come back since nobody knows. At most 16 a node.
 */
export interface PluginFailureView {
  /** Of the plugin. */
  readonly name: string;
  readonly message: string;
}

const MAX_FAILURES = 16;
const NAME_CHARACTERS = 200;
const MESSAGE_CHARACTERS = 500;

export class NodePlugins {
  readonly #failures = new Map<string, readonly PluginFailureView[]>();

  /** Replaces what was known of the node. Returns what is kept of it. */
  report(
    nodeId: string,
    failures: readonly { readonly plugin: string; readonly message: string }[],
  ): readonly PluginFailureView[] {
    const kept = failures.slice(0, MAX_FAILURES).map(({ plugin, message }) => ({
      name: plugin.slice(0, NAME_CHARACTERS),
      message: message.slice(0, MESSAGE_CHARACTERS),
    }));
    if (kept.length === 0) this.#failures.delete(nodeId);
    else this.#failures.set(nodeId, kept);
    return kept;
  }

  of(nodeId: string): readonly PluginFailureView[] {
    return this.#failures.get(nodeId) ?? [];
  }

  all(nameOf: (nodeId: string) => string): (PluginFailureView & { readonly node: string })[] {
    return [...this.#failures].flatMap(([nodeId, failures]) =>
      failures.map((failure) => ({ ...failure, node: nameOf(nodeId) })),
    );
  }

  /** A node that was removed. */
  forget(nodeId: string): void {
    this.#failures.delete(nodeId);
  }
}
