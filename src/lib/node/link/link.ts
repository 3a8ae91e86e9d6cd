/**
 * A node's connection to its daemon, whatever carries it. The contract suite (`test/contract/node-link.ts`) runs on every implementation and on the fake.
 *
 *   connect ──► register ──► open(hello) ──► messages both ways ──► ended (exactly once)
 *
 * - `register` and `open` fail with a PalyraError; a refusal of the daemon keeps its reason (NODE_REVOKED, PROTOCOL_UNSUPPORTED, …), a network failure is
 *   DAEMON_UNREACHABLE and says what failed: name, refused, time-out, identity.
 * - Messages arrive in the order they were sent. Nothing arrives after `ended`.
 * - One link is one attempt. Trying again, and when, is the host's business.
 */
import type { Away } from '../../base/absences.js';
import type { PalyraError } from '../../base/errors.js';
import type { DownMessage, Hello, UpMessage } from '../../base/link-messages.js';
import type { MachineFacts } from '../../base/model.js';
import type { PluginFailure } from '../capabilities/catalog.js';

export interface Registration {
  readonly deviceId: string;
  readonly protocol: { readonly min: number; readonly max: number };
  readonly facts: MachineFacts;
  readonly bootId: string;
  readonly storeId: string;
  readonly pluginFailures: readonly PluginFailure[];
  /** What it knows about why it was away; goes with the hello. */
  readonly away?: () => Away | undefined;
  /** Wall time here, told to the daemon so that it can name a clock that is off. */
  readonly wallMs?: () => number;
}

export interface Registered {
  readonly deviceId: string;
  /** As the daemon calls this node now. */
  readonly name: string;
  readonly protocol: number;
  readonly grantedCapabilities: readonly string[];
  readonly daemonName: string;
  readonly daemonVersion: string;
  /** Wall time there; absent or 0 when it was not told. */
  readonly daemonTimeMs?: number;
}

export interface LinkHandlers {
  readonly message: (message: DownMessage) => void;
  /** Null: the daemon closed the link without an error. */
  readonly ended: (error: PalyraError | null) => void;
}

export interface LinkStream {
  /** Never waits; dropped once the link has ended. */
  send(message: UpMessage): void;
  /** True while more is waiting to be sent than the carrier likes; what may be lost (progress) should be. */
  readonly congested: boolean;
  /** Says that nothing more comes; what was sent is delivered, then the daemon ends the link. */
  finish(): void;
}

export interface NodeLink {
  readonly endpoint: string;
  /** Rejects with the signal's reason when it aborts. May be called again while the link is open, when the facts have changed. */
  register(registration: Registration, signal: AbortSignal): Promise<Registered>;
  /** At most once. The first message down is the welcome. */
  open(hello: Hello, handlers: LinkHandlers): LinkStream;
  /** Ends everything now; no handler is called any more. Safe to call twice. */
  destroy(): void;
}

/** Makes a link to `host:port`. It connects when it is first used. */
export type LinkConnector = (endpoint: string) => NodeLink;
