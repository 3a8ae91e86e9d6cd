/**
 * Nouns of what waits for an answer: a machine that asks to join or wants more, a program that asks to log in. Beside `model.ts`, under the same rules: one meaning each, no
 * behaviour.
 */
import type { ChannelName } from './questions.js';
import type { ApprovalState, MachineFacts, PinVerifier, Presence } from './model.js';

/** Facts of everything that waits, or waited, for an answer: a person's or an invite's. Decided once, never changed. */
interface RequestRecord {
  /** `req_` and six Crockford characters; stable over retries of whoever asks. */
  readonly id: string;
  readonly state: ApprovalState;
  readonly address: string;
  readonly requestedAt: number;
  /** Until when it can be answered; of an approved login, until when its session can be fetched. */
  readonly expiresAt: number;
  readonly decidedAt: number | null;
  readonly decidedBy: string | null;
  readonly rejectReason: string | null;
  /** It came without an invite: who approves it types the PIN that is shown where it came from. */
  readonly pin?: PinVerifier;
  /** Wrong PINs typed, and how often another one was asked for; both are bounded. */
  readonly wrongPins?: number;
  readonly pinRenewals?: number;
}

/** A machine asks to become a node. */
export interface JoinRecord extends RequestRecord {
  readonly kind: 'join';
  readonly requestedName: string | null;
  readonly keyFingerprint: string;
  /** SPKI DER of the device key, base64. */
  readonly publicKey: string;
  readonly facts: MachineFacts;
  readonly inviteId: string | null;
  readonly nodeId: string | null;
  /** PEM, once issued. Public by nature. */
  readonly certificate: string | null;
  /** The node whose place it took, as it was then. */
  readonly replaced?: ReplacedNode;
}

/** Words of a program about the machine it runs on. All of them are claims. */
export interface ClientFacts {
  readonly hostname: string;
  readonly platform: string;
  readonly arch: string;
  readonly version: string;
}

/** A program asks for a session. `approved` until the session is fetched, then `issued`. */
export interface LoginRecord extends RequestRecord {
  readonly kind: 'login';
  readonly pin: PinVerifier;
  /** `lgn_` and an unguessable rest: what the program calls it by. */
  readonly loginId: string;
  /** SHA-256 of the secret that fetches the session; hex. */
  readonly claimHash: string;
  readonly client: ClientFacts;
  /** Whom it asks to be logged in as; null: whoever approves decides. */
  readonly operator: string | null;
  /** Whom it was approved as. */
  readonly grantedTo: { readonly operatorId: string; readonly name: string } | null;
}

/** A node announces more than it was granted. `wants` follows what it announces while it waits; once approved it is what was granted. */
export interface CapabilitiesRecord extends RequestRecord {
  readonly kind: 'capabilities';
  readonly nodeId: string;
  /** Names, sorted. */
  readonly wants: readonly string[];
}

export type ApprovalRecord = JoinRecord | LoginRecord | CapabilitiesRecord;
export type ApprovalKind = ApprovalRecord['kind'];

/** A node whose place a machine takes, and how it was. */
export interface ReplacedNode {
  readonly nodeId: string;
  readonly name: string;
  readonly presence: Presence;
  readonly lastSeenAt: number | null;
}

/** What a person at a machine is being asked before a run: seen here, answered there. */
export interface AskedAtMachine {
  readonly dispatch: string;
  readonly capability: string;
  readonly requestedBy: string;
  /** How they are asked; null: the machine does not say. */
  readonly channel: ChannelName | null;
  /** What it would be done with, cut when it is long; null for who may not see what runs are given. */
  readonly what: string | null;
}

/** A request as people and programs see it; the id of the device key stands in for the key. */
export interface ApprovalView {
  /** `req_…`; of a question at a machine that of its dispatch. */
  readonly id: string;
  readonly kind: ApprovalKind | 'local';
  readonly state: ApprovalState;
  readonly subject: {
    readonly name: string;
    readonly hostname: string;
    readonly platform: string;
    readonly arch: string;
    readonly version: string;
    readonly address: string;
    /** The first 80 bits of SHA-256 over the device key, in groups of four; empty for a login. */
    readonly keyWords: string;
    readonly purpose: string | null;
  };
  /** Of a login: whom it was approved as, before that whom it asks for; null: whoever approves decides. */
  readonly operator: string | null;
  /** Capabilities it announces. */
  readonly wants: readonly string[];
  /** The node whose place it took; while it waits, the one that has the name it asks for. */
  readonly replaces: (Omit<ReplacedNode, 'lastSeenAt'> & { readonly lastSeenAt: string | null }) | null;
  /** While it waits: yes alone puts it into that place, because its invite says so. */
  readonly takesPlace: boolean;
  readonly requestedAt: string;
  readonly expiresAt: string;
  /** Of kind `local`; null for all others. */
  readonly asked: AskedAtMachine | null;
  /** Whether an operator of the daemon may answer; what is asked at the machine itself is false. */
  readonly answerableHere: boolean;
  /** Approving it takes the PIN shown where it came from; otherwise its invite's code has proven it. */
  readonly pinRequired: boolean;
  readonly decidedAt: string | null;
  readonly decidedBy: string | null;
  readonly reason: string | null;
  readonly nodeId: string | null;
}
