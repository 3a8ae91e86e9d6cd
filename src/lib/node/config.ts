/** What a node host needs to know, complete and checked. Where the directories are is decided by whoever starts it. */
import { PalyraError } from '../base/errors.js';
import { MAX_CREDIT } from '../base/link-limits.js';
import { WITHOUT_PROXY, type ProxySettings } from '../base/proxy.js';
import type { LinkTransport, TransportMode } from '../base/transports.js';
import type { PluginFailure } from './capabilities/catalog.js';
import { AVAILABLE_TRANSPORTS } from './link/factories.js';
import type { ConfiguredRules } from './policy.js';
import { transportsFor } from './transport-chooser.js';

export interface NodeHostOptions {
  /** Private to this node: identity, device key, outbox, lock. */
  readonly stateDirectory: string;
  /** Where `palyra node status` asks; inside a private directory. */
  readonly controlSocketPath: string;
  readonly version: string;
  /** Dispatches at once, 1 to 16. Default 16: why, is in docs/decisions/0019-sixteen-slots.md. */
  readonly credit?: number;
  /** Plugins that could not even be asked; passed on to the daemon with those the catalog refuses. */
  readonly pluginFailures?: readonly PluginFailure[];
  /** Default `auto`: the best that works. */
  readonly transport?: TransportMode;
  /** Default: none, straight to the daemon. */
  readonly proxy?: ProxySettings;
  /** What the configuration says about asking people. */
  readonly approvals?: ApprovalOptions;
  readonly timings?: Partial<NodeTimings>;
}

/** By capability. */
export interface ApprovalOptions {
  /** Patterns that are allowed without asking. */
  readonly allow: ConfiguredRules;
  /** How long a person has; default `DEFAULT_ASK_TIMEOUT_MS`. */
  readonly timeoutMs: Readonly<Record<string, number>>;
  /** A question waits for `palyra node approvals` although nobody watches. */
  readonly wait: Readonly<Record<string, boolean>>;
}

/** Long enough to read a URL and think; short enough that whoever waits for it is not left hanging. */
export const DEFAULT_ASK_TIMEOUT_MS = 60_000;

/** All in milliseconds. */
export interface NodeTimings {
  /** For RegisterNode, and again from Hello to Welcome. */
  readonly connectTimeoutMs: number;
  /** Back-off between rounds over the endpoints: full jitter, its ceiling doubles from the first to the second. */
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /** A link that stood this long was good: the back-off starts anew. */
  readonly stableAfterMs: number;
  /** At least this long before the next try when an immediate one cannot help: versions, a cloned identity, a rolled-back daemon. */
  readonly slowRetryMs: number;
  /** How long a stop waits for running handlers and for the daemon to confirm their results. */
  readonly stopGraceMs: number;
}

export interface NodeHostConfig {
  readonly stateDirectory: string;
  readonly controlSocketPath: string;
  readonly version: string;
  readonly credit: number;
  readonly pluginFailures: readonly PluginFailure[];
  readonly transport: TransportMode;
  readonly proxy: ProxySettings;
  readonly approvals: ApprovalOptions;
  readonly timings: NodeTimings;
}

/** `sun_path` holds 108 bytes on Linux and 104 on macOS, with the final zero. */
const MAX_SOCKET_PATH_BYTES = process.platform === 'linux' ? 107 : 103;

const DEFAULT_TIMINGS: NodeTimings = {
  connectTimeoutMs: 10_000,
  backoffBaseMs: 500,
  backoffCapMs: 30_000,
  stableAfterMs: 60_000,
  slowRetryMs: 30_000,
  stopGraceMs: 5_000,
};

/** Throws CONFIG_INVALID, SOCKET_PATH_TOO_LONG or QUIC_UNAVAILABLE. */
export function toNodeHostConfig(
  options: NodeHostOptions,
  available: readonly LinkTransport[] = AVAILABLE_TRANSPORTS,
): NodeHostConfig {
  const credit = options.credit ?? MAX_CREDIT;
  if (!Number.isInteger(credit) || credit < 1 || credit > MAX_CREDIT) {
    throw new PalyraError('CONFIG_INVALID', {
      detail: `a node runs 1 to ${MAX_CREDIT} dispatches at once, not ${credit}`,
    });
  }
  if (Buffer.byteLength(options.controlSocketPath) > MAX_SOCKET_PATH_BYTES) {
    throw new PalyraError('SOCKET_PATH_TOO_LONG', { detail: options.controlSocketPath });
  }
  const transport = options.transport ?? 'auto';
  transportsFor(transport, available);
  return {
    stateDirectory: options.stateDirectory,
    controlSocketPath: options.controlSocketPath,
    version: options.version,
    credit,
    pluginFailures: options.pluginFailures ?? [],
    transport,
    proxy: options.proxy ?? WITHOUT_PROXY,
    approvals: options.approvals ?? { allow: {}, timeoutMs: {}, wait: {} },
    timings: { ...DEFAULT_TIMINGS, ...options.timings },
  };
}
