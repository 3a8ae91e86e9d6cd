/**
 * The nouns of palyra, one meaning each. Everybody may import them; nobody adds behaviour here.
 * `…Record` is persisted, `…View` is a read-only projection for people and programs. Times are milliseconds since the epoch in records and
 * RFC 3339 strings in views; null means "never" or "not yet".
 */

import type { AbsenceRecord } from './absences.js';
import type { ChannelName } from './questions.js';
import type { LinkTransport } from './transports.js';

/** JSON values, as they travel in capability inputs and outputs. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };
export type JsonSchema = { readonly [key: string]: unknown };

/** Version of the node protocol this build speaks; a peer is refused outside [min, max]. */
export const NODE_PROTOCOL = { min: 1, max: 1 } as const;

// ── Who is asking ────────────────────────────────────────────────────────────

/** Decided by socket, session or certificate; never by the content of a message. */
export type Caller =
  | { readonly kind: 'owner'; readonly name: string }
  | {
      readonly kind: 'operator';
      readonly name: string;
      readonly role: OperatorRole;
      /** The public id of the session or token it was by. */
      readonly credential?: string;
      readonly operatorId?: string;
      /** Null or absent: everything the role allows. */
      readonly scopes?: readonly string[] | null;
    }
  | { readonly kind: 'device'; readonly nodeId: string; readonly serial: string; readonly address: string }
  | { readonly kind: 'anonymous'; readonly address: string };

export type OperatorRole = 'viewer' | 'operator' | 'approver' | 'owner';

// ── Capabilities ─────────────────────────────────────────────────────────────

export type SideEffects = 'none' | 'local' | 'external';
/** `none`: runs at once. `ask`: a person at the machine is asked first. */
export type Mediation = 'none' | 'ask';

/** What a node says it can do. The daemon keeps it as announced; what may be used is announced ∩ granted. */
export interface CapabilityDescriptor {
  /** `area.action`, or one word for the oldest built-in (`echo`). Lower case, at most 64 characters. */
  readonly name: string;
  readonly version: string;
  readonly summary: string;
  readonly inputSchema: JsonSchema;
  readonly outputSchema: JsonSchema;
  readonly sideEffects: SideEffects;
  readonly mediation: Mediation;
  /** True: at-least-once with node-side dedupe. False: at-most-once start, the outcome may be `unknown`. */
  readonly idempotent: boolean;
  /** How long one run may take before it is stopped; at most 3,600,000. */
  readonly executionTimeoutMs: number;
}

/** One descriptor and the nodes that announce exactly it; two nodes that differ in anything are two offers. */
export interface CapabilityOffer extends CapabilityDescriptor {
  readonly nodes: readonly { readonly id: string; readonly name: string; readonly granted: boolean }[];
}

/** A row of a list: without the schemas, which may be large. */
export type CapabilitySummary = Omit<CapabilityOffer, 'inputSchema' | 'outputSchema'>;

// ── Nodes ────────────────────────────────────────────────────────────────────

export type Trust = 'paired' | 'revoked';
export type Presence = 'online' | 'late' | 'offline' | 'never-seen' | 'revoked' | 'expired' | 'conflict';
export type PresenceReason = 'stopped' | 'lost' | null;

export interface CertificateRecord {
  /** Lower-case hex, unique for ever. */
  readonly serial: string;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Set when a newer certificate replaced it: accepted until then. */
  readonly acceptedUntil: number | null;
  /** SHA-256 of the SubjectPublicKeyInfo of the CA that made it; absent in rows of older versions: the daemon's first. */
  readonly issuer?: string;
  /** A link was opened with it: the node has it, and what it was told with it. */
  readonly used?: boolean;
}

/** A paired machine. Its id is its device id: `nod_` and a ULID, made by the daemon, carried in its certificate. */
export interface NodeRecord {
  readonly id: string;
  /** Set by operators or the invite; reports of the machine never overwrite it. Unique among nodes that are not removed. */
  readonly name: string;
  readonly hostname: string;
  readonly purpose: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly platform: string;
  readonly arch: string;
  readonly version: string;
  readonly protocol: number;
  /** SHA-256 of the device key's SPKI DER, lower-case hex. */
  readonly keyFingerprint: string;
  /** The allow list: a certificate is accepted because its serial is here. */
  readonly certificates: readonly CertificateRecord[];
  readonly trust: Trust;
  readonly announced: readonly CapabilityDescriptor[];
  /** How a person could be asked there when it last registered; absent: it does not say. */
  readonly asksThrough?: readonly ChannelName[] | null;
  /** Names an operator (or the invite) granted. Announcing more later does not widen it. */
  readonly granted: readonly string[];
  /** Names an operator took away: they stay away until an operator gives them back. Absent: none. */
  readonly withheld?: readonly string[];
  /** What was announced and not granted when somebody decided, by name; it is asked about again when it is another offer. Absent in older rows. */
  readonly declined?: Readonly<Record<string, string>>;
  readonly pairedAt: number;
  readonly pairedBy: string;
  /** It goes away by itself when nobody has seen it for this long while the daemon was there. Absent: it stays. */
  readonly ephemeralMs?: number;
  /** The node whose place it took, by the name that one had then; and the other way round. */
  readonly replaces?: { readonly nodeId: string; readonly name: string };
  readonly replacedBy?: string | null;
  /** When trust was last given back. */
  readonly restoredAt?: number;
  readonly removedAt: number | null;
  /** When trust was withdrawn while the record stays; absent in rows of older versions. */
  readonly revokedAt?: number | null;
  /** Identity of the node's own journal; a change means its memory was wiped. */
  readonly storeId: string | null;
  readonly bootId: string | null;
  readonly address: string | null;
  /** Memory while running; saved with snapshots. */
  readonly lastSeenAt: number | null;
  readonly connectedAt: number | null;
  readonly disconnectedAt: number | null;
  readonly disconnectReason: 'stopped' | 'lost' | 'superseded' | 'daemon-stopped' | null;
  /** When it was away, oldest first; absent in rows of older versions. See `runtime/absences.ts`. */
  readonly absences?: readonly AbsenceRecord[];
}

/** One function makes it for every surface (`runtime/presence.ts`). */
export interface NodeView {
  readonly id: string;
  readonly name: string;
  readonly hostname: string;
  readonly purpose: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly presence: Presence;
  readonly presenceReason: PresenceReason;
  readonly presenceSince: string | null;
  readonly lastSeenAt: string | null;
  readonly trust: Trust;
  readonly platform: string;
  readonly arch: string;
  readonly version: string;
  readonly protocol: number;
  readonly outdated: boolean;
  readonly address: string | null;
  /** What carries its link; null while there is none. */
  readonly transport: LinkTransport | null;
  readonly certificate: { readonly fingerprint: string; readonly notAfter: string; readonly daysLeft: number } | null;
  /** Names that may be used now: announced ∩ granted, sorted. */
  readonly capabilities: readonly string[];
  /** How a person at the machine could be asked, in that order; empty: nobody could; null: it does not say. */
  readonly asksThrough: readonly ChannelName[] | null;
  readonly queue: { readonly waiting: number; readonly running: number };
  /** While the presence is `conflict`: where the copy is that was seen last, and since when it tries. */
  readonly rival: { readonly address: string; readonly since: string } | null;
  /** It is removed by itself when nobody has seen it for this long; null: it stays. */
  readonly ephemeralMs: number | null;
  /** The node whose place it took, by the name that one had then. */
  readonly replaces: { readonly nodeId: string; readonly name: string } | null;
  readonly pairedAt: string;
  readonly pairedBy: string;
}

// ── Invites and approvals ────────────────────────────────────────────────────

/** What is kept of an invite's code: nothing that lets its reader join. See `identity/pairing-proof.ts`. */
export interface CodeVerifier {
  /** Finds the invite; derived from the code through scrypt. Hex. */
  readonly locator: string;
  /** SHA-256 of the client key. Hex. */
  readonly storedKey: string;
  /** Proves the daemon's knowledge of the code. Hex. */
  readonly serverKey: string;
}

export type InviteState = 'open' | 'used' | 'expired' | 'revoked';

export interface InviteRecord {
  /** `inv_` and six Crockford characters. */
  readonly id: string;
  readonly verifier: CodeVerifier;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt: number;
  readonly usesMax: number;
  readonly redeemedBy: readonly { readonly nodeId: string; readonly name: string; readonly at: number }[];
  readonly revokedAt: number | null;
  /** `none`: redeeming it joins. `person`: redeeming it asks. */
  readonly approval: 'none' | 'person';
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly purpose: string | null;
  /** When set, only these capability names are granted. */
  readonly capabilities: readonly string[] | null;
  /** The node whose place the machine takes that redeems it, by its name when the invite was made. Absent: none. */
  readonly replaces?: { readonly nodeId: string; readonly name: string; readonly evenOnline: boolean };
  /** Who joins by it goes away by itself when not seen for this long. Absent: it stays. */
  readonly ephemeralMs?: number;
  /** SHA-256 of the SubjectPublicKeyInfo of the CA that its link names and its code is bound to; absent in rows of older versions: the daemon's first. */
  readonly authority?: string;
}

/** Never holds the code. */
export interface InviteView {
  readonly id: string;
  readonly state: InviteState;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly expiresAt: string;
  readonly uses: { readonly max: number; readonly left: number };
  readonly approval: 'none' | 'person';
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly purpose: string | null;
  /** The node whose place the machine takes, under the name it has now; `evenOnline`: also while that one is connected. */
  readonly replaces: { readonly nodeId: string; readonly name: string; readonly evenOnline: boolean } | null;
  /** Whether who joins by it goes away by itself, and after which absence. */
  readonly ephemeral: boolean;
  readonly ephemeralMs: number | null;
  readonly redeemedBy: readonly { readonly nodeId: string; readonly name: string; readonly at: string }[];
}

/** The one answer that shows the code and the link: the answer to making the invite. */
export interface NewInviteView extends InviteView {
  readonly link: string;
  readonly code: string;
  readonly caFingerprint: string;
  readonly addresses: readonly string[];
}

export type ApprovalState = 'pending' | 'approved' | 'issued' | 'rejected' | 'expired' | 'withdrawn';

/** Facts a machine states about itself when it asks to join. All of them are claims. */
export interface MachineFacts {
  readonly hostname: string;
  readonly platform: string;
  readonly arch: string;
  readonly version: string;
  readonly protocol: number;
  readonly capabilities: readonly CapabilityDescriptor[];
  /** How a person could be asked there now, in that order; absent: the machine does not say. */
  readonly asksThrough?: readonly ChannelName[];
}

/** What is kept of the PIN of whoever asks: a salted hash, never the PIN. See `base/pairing-pin.ts`. Hex. */
export interface PinVerifier {
  readonly salt: string;
  readonly hash: string;
}

// ── Dispatches ───────────────────────────────────────────────────────────────

/** Internal states of the mailbox; `reliability` names. */
export type DispatchState =
  | 'queued'
  | 'offered'
  | 'mediation'
  | 'running'
  | 'suspect'
  | 'cancelling'
  | 'succeeded'
  | 'failed'
  | 'denied'
  | 'expired'
  | 'timed-out'
  | 'cancelled'
  | 'unknown';

export const TERMINAL_STATES = [
  'succeeded',
  'failed',
  'denied',
  'expired',
  'timed-out',
  'cancelled',
  'unknown',
] as const;
export type TerminalState = (typeof TERMINAL_STATES)[number];

/** What is not over yet, as shown to people and programs. */
export const OPEN_STATE_NAMES = ['queued', 'delivered', 'awaiting-approval', 'running'] as const;
/** Names shown to people and programs. */
export const DISPATCH_STATE_NAMES = [...OPEN_STATE_NAMES, ...TERMINAL_STATES] as const;
export type DispatchStateName = (typeof DISPATCH_STATE_NAMES)[number];

export interface DispatchError {
  /** Stable, upper case: one of ours (`docs/errors.md`) or the capability's own. */
  readonly code: string;
  readonly message: string;
}

/** One run of a capability on one node. Input and output stay text: the daemon carries them, it does not re-parse them. */
export interface DispatchRecord {
  /** `dsp_` and a ULID. */
  readonly id: string;
  readonly nodeId: string;
  readonly capability: string;
  /** JSON text. */
  readonly inputJson: string;
  /** Frozen from the descriptor at enqueue. */
  readonly idempotent: boolean;
  readonly sideEffects: SideEffects;
  readonly state: DispatchState;
  /** 0 before the first offer; the fencing token together with `epoch`. */
  readonly attempt: number;
  /** Session epoch of the last offer; 0 before. */
  readonly epoch: number;
  /** The node's store id when it was last offered; a change means the node forgot. */
  readonly storeId: string | null;
  /** Latest phase known before the link was lost or the cancel was asked. */
  readonly phase: 'offered' | 'mediation' | 'running' | null;
  readonly requestedBy: string;
  /** Public id of the session or token it was asked with; absent over the local socket. */
  readonly requestedWith?: string;
  readonly idempotencyKey: string | null;
  /** SHA-256 over capability and input; hex. */
  readonly requestHash: string;
  readonly queuedAt: number;
  /** May not be offered before (back-off of a requeue). */
  readonly notBefore: number;
  /** After this it is no longer offered for the first time. */
  readonly queueExpiresAt: number;
  /** Schedule-to-close, an instant. */
  readonly deadlineAt: number;
  /** Start-to-close, a duration the node enforces too. */
  readonly runTimeoutMs: number;
  readonly deliveredAt: number | null;
  readonly startedAt: number | null;
  readonly cancelRequestedAt: number | null;
  readonly finishedAt: number | null;
  /** Whether a handler started: null means nobody can say. */
  readonly started: boolean | null;
  readonly outputJson: string | null;
  readonly error: DispatchError | null;
  /** The person at the machine who is or was asked; absent in rows of older versions and when nobody was. */
  readonly asked?: { readonly channel: ChannelName; readonly at: number; readonly until: number } | null;
}

export interface DispatchView {
  readonly id: string;
  readonly node: string;
  readonly nodeId: string;
  readonly capability: string;
  readonly state: DispatchStateName;
  readonly attempt: number;
  readonly input: JsonValue;
  readonly output: JsonValue;
  readonly error: DispatchError | null;
  readonly sideEffects: SideEffects;
  readonly idempotent: boolean;
  /** Whether the same request may be sent again without running anything twice that matters. */
  readonly retrySafe: boolean;
  readonly timings: {
    readonly queuedAt: string;
    readonly deliveredAt: string | null;
    readonly startedAt: string | null;
    readonly finishedAt: string | null;
    readonly totalMs: number | null;
  };
  readonly deadlineAt: string;
  readonly requestedBy: string;
  /** How the person at the machine is or was asked, and until when they can answer; null: nobody was. */
  readonly approval: { readonly channel: ChannelName; readonly askedAt: string; readonly expiresAt: string } | null;
}

/** A row of a list: without input and output, which may be large. */
export type DispatchListing = Omit<DispatchView, 'input' | 'output'>;

// ── The daemon ───────────────────────────────────────────────────────────────

export interface ListenerView {
  readonly purpose: 'local' | 'public' | 'node-rpc' | 'console';
  /** `unix:PATH` for the local socket, else a URL. */
  readonly url: string;
}
