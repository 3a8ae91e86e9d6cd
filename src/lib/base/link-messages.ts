/**
 * What travels on a node's link, whatever carries it: gRPC stream, long poll or QUIC. `wire/grpc/convert.ts` and `wire/quic` turn these into bytes.
 * Every message about a dispatch carries its fencing token (id, attempt, epoch): anything that does not match is refused as stale.
 * "Up" is node to daemon, "down" is daemon to node.
 */
import type { Away } from './absences.js';
import type { DispatchError } from './model.js';
import type { ChannelName } from './questions.js';

/** What a node still knows of a dispatch when it says hello. `alive`: its handler runs in this process. */
export interface KnownDispatch {
  readonly id: string;
  readonly attempt: number;
  readonly state: 'received' | 'started' | 'done';
  readonly alive: boolean;
}

export interface Fence {
  readonly id: string;
  readonly attempt: number;
  readonly epoch: number;
}

export interface Hello {
  readonly kind: 'hello';
  /** New at every start of the node process. */
  readonly bootId: string;
  /** New whenever the node's journal was made anew. */
  readonly storeId: string;
  readonly protocol: { readonly min: number; readonly max: number };
  readonly version: string;
  /** How many dispatches the node takes at once, 1 to 16. */
  readonly credit: number;
  /** Highest session epoch this node has seen; a daemon with a lower one was restored from an old backup. */
  readonly lastEpoch: number;
  readonly known: readonly KnownDispatch[];
  /** What it knows about why it was away; absent when there is nothing to tell. */
  readonly away?: Away;
}

export interface Heartbeat {
  readonly kind: 'heartbeat';
  readonly active: readonly { readonly id: string; readonly attempt: number }[];
  /** What it knows about a silence that the link has outlived; absent when there is nothing to tell. */
  readonly away?: Away;
}

export type ResultState = 'succeeded' | 'failed' | 'denied' | 'timed-out';
export type RejectCause = 'busy' | 'unknown-capability' | 'invalid-input' | 'past-deadline' | 'stopping';

/** How a person at the machine is asked, and until when. Absent on nodes that do not say. */
export interface Asking {
  readonly channel: ChannelName;
  readonly timeLeftMs: number;
}

export type UpMessage =
  | Hello
  | Heartbeat
  | { readonly kind: 'stopping'; readonly reason: string }
  | ({ readonly kind: 'received' } & Fence)
  | ({ readonly kind: 'started' } & Fence)
  | ({ readonly kind: 'mediation'; readonly asking?: Asking } & Fence)
  | ({ readonly kind: 'progress'; readonly progressJson: string } & Fence)
  | ({
      readonly kind: 'result';
      readonly state: ResultState;
      /** JSON text when succeeded, else null. */
      readonly outputJson: string | null;
      readonly error: DispatchError | null;
      readonly executionMs: number;
    } & Fence)
  | ({ readonly kind: 'rejected'; readonly cause: RejectCause; readonly message: string } & Fence)
  | ({ readonly kind: 'cancelled'; readonly started: boolean } & Fence);

export interface Offer extends Fence {
  readonly kind: 'offer';
  readonly capability: string;
  readonly inputJson: string;
  readonly runTimeoutMs: number;
  /** Remaining time, not an instant: the two clocks need not agree. */
  readonly deadlineInMs: number;
  readonly requestedBy: string;
}

export interface Welcome {
  readonly kind: 'welcome';
  readonly epoch: number;
  readonly heartbeatMs: number;
  readonly leaseMs: number;
  /** Still wanted: go on. */
  readonly keep: readonly string[];
  /** No longer wanted or already settled: forget, never start. */
  readonly drop: readonly string[];
  /** Done on the node, not settled here: send the result again. */
  readonly wantResults: readonly string[];
  /** Stop these and say so. */
  readonly cancel: readonly { readonly id: string; readonly attempt: number }[];
}

export type DownMessage =
  | Welcome
  | Offer
  | { readonly kind: 'cancel'; readonly id: string; readonly attempt: number }
  | { readonly kind: 'result_ack'; readonly id: string; readonly attempt: number }
  /** The message about this dispatch came too late or from the wrong attempt; forget it. */
  | { readonly kind: 'stale'; readonly id: string; readonly reason: string }
  | { readonly kind: 'beat'; readonly daemonTimeMs: number }
  /** The daemon is about to stop: no new offers, reconnect after a back-off. */
  | { readonly kind: 'drain'; readonly reason: string }
  /** Permanent: stop, exit 78. */
  | { readonly kind: 'revoked'; readonly message: string }
  /** PEM, every CA to trust from now on; the first one signs the certificates of nodes. */
  | { readonly kind: 'trust_bundle'; readonly certificates: readonly string[] }
  /** A newer session of the same device took over; reconnect only if it was not this process. */
  | { readonly kind: 'superseded'; readonly bootId: string };
