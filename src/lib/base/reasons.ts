/**
 * The tables behind every error. A *reason* is ours, stable for ever, and grows; it selects a *code*, one of the canonical gRPC codes, a closed set. The code
 * gives the gRPC status, the HTTP status and the default exit code; a reason may override the exit code with another of the documented table
 * (`palyra help exit-codes`). `docs/errors.md` is generated from here. Titles and hints may be reworded, names never.
 */

/** The canonical codes with their gRPC number, HTTP status and default exit code. Source: google.rpc.Code. */
export const CODES = {
  CANCELLED: { grpc: 1, http: 499, exit: 130 },
  UNKNOWN: { grpc: 2, http: 500, exit: 1 },
  INVALID_ARGUMENT: { grpc: 3, http: 400, exit: 2 },
  DEADLINE_EXCEEDED: { grpc: 4, http: 504, exit: 8 },
  NOT_FOUND: { grpc: 5, http: 404, exit: 3 },
  ALREADY_EXISTS: { grpc: 6, http: 409, exit: 1 },
  PERMISSION_DENIED: { grpc: 7, http: 403, exit: 4 },
  RESOURCE_EXHAUSTED: { grpc: 8, http: 429, exit: 1 },
  FAILED_PRECONDITION: { grpc: 9, http: 409, exit: 1 },
  ABORTED: { grpc: 10, http: 409, exit: 1 },
  UNIMPLEMENTED: { grpc: 12, http: 501, exit: 11 },
  INTERNAL: { grpc: 13, http: 500, exit: 1 },
  UNAVAILABLE: { grpc: 14, http: 503, exit: 5 },
  DATA_LOSS: { grpc: 15, http: 500, exit: 78 },
  UNAUTHENTICATED: { grpc: 16, http: 401, exit: 4 },
} as const;

export type Code = keyof typeof CODES;

interface ReasonRow {
  readonly code: Code;
  readonly title: string;
  readonly hint: string;
  /** Overrides the exit code of the canonical code. */
  readonly exit?: number;
  /** Whether repeating the same call later, unchanged, can help and cannot do harm. */
  readonly retrySafe?: boolean;
}

const reasons = <const T extends Record<string, ReasonRow>>(table: T): { readonly [K in keyof T]: ReasonRow } => table;

/** Every reason palyra can give. Names are stable for ever; titles and hints may be reworded. */
export const REASONS = reasons({
  // What the person typed.
  USAGE_INVALID: {
    code: 'INVALID_ARGUMENT',
    title: 'The command line is not valid',
    hint: 'See the help of this command: add --help',
  },
  COMMAND_UNKNOWN: {
    code: 'INVALID_ARGUMENT',
    exit: 127,
    title: 'There is no such command',
    hint: 'List the commands: palyra help',
  },
  CONFIRMATION_REQUIRED: {
    code: 'INVALID_ARGUMENT',
    title: 'This needs a confirmation and nobody can be asked here',
    hint: 'Add --yes',
  },
  LINK_MALFORMED: {
    code: 'INVALID_ARGUMENT',
    title: 'This is not an invite link',
    hint: 'A link looks like https://HOST:PORT/j/CODE-FINGERPRINT; copy it whole from: palyra node pair',
  },
  INPUT_INVALID: {
    code: 'INVALID_ARGUMENT',
    title: 'The input does not fit what the capability accepts',
    hint: 'See the input schema: palyra nodes show <node> --json',
  },
  INPUT_TOO_LARGE: {
    code: 'INVALID_ARGUMENT',
    title: 'The input is too large',
    hint: 'Pass a reference to the data instead of the data; the limit is 512 KiB of JSON',
  },
  REQUEST_INVALID: {
    code: 'INVALID_ARGUMENT',
    title: 'The request is not valid',
    hint: 'Compare the request with the schemas in docs/schemas',
  },

  // What was looked for.
  NODE_NOT_FOUND: { code: 'NOT_FOUND', title: 'There is no such node', hint: 'List the nodes: palyra nodes list' },
  NODE_AMBIGUOUS: {
    code: 'NOT_FOUND',
    title: 'More than one node matches',
    hint: 'Use the full name or a longer part of the id',
  },
  INVITE_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'There is no such invite',
    hint: 'List the invites: palyra invites list',
  },
  APPROVAL_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'There is no such request',
    hint: 'It may have been withdrawn or have expired; let the machine ask again',
  },
  DISPATCH_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'There is no such dispatch',
    hint: 'Settled dispatches are kept for 24 h; check the id',
  },
  CAPABILITY_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'The node does not offer this capability',
    hint: 'See what it offers: palyra nodes show <node>',
  },
  ROUTE_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'There is nothing at this address',
    hint: 'Check the path and the method',
  },

  // Who is asking.
  UNAUTHENTICATED: {
    code: 'UNAUTHENTICATED',
    title: 'This needs a login',
    hint: 'On the machine of the daemon use the local socket: run palyra there as the same user',
  },
  PERMISSION_DENIED: {
    code: 'PERMISSION_DENIED',
    title: 'This is not allowed for this caller',
    hint: 'Ask the owner of the daemon',
  },
  DEVICE_MISMATCH: {
    code: 'PERMISSION_DENIED',
    title: 'The message names another device than its certificate',
    hint: 'Pair this machine again: palyra node run <link>',
  },
  CERTIFICATE_REVOKED: {
    code: 'PERMISSION_DENIED',
    exit: 78,
    title: 'This machine is no longer paired',
    hint: 'Pair it again with a new invite: palyra node run <link>',
  },
  NODE_REVOKED: {
    code: 'PERMISSION_DENIED',
    exit: 78,
    title: 'This machine was removed from the daemon',
    hint: 'Pair it again with a new invite: palyra node run <link>',
  },

  // The daemon.
  DAEMON_NOT_RUNNING: {
    code: 'UNAVAILABLE',
    title: 'No daemon is running here',
    hint: 'Start it: palyra daemon start',
    retrySafe: true,
  },
  DAEMON_UNREACHABLE: {
    code: 'UNAVAILABLE',
    title: 'The daemon cannot be reached',
    hint: 'Check the address and that the daemon runs: palyra daemon status',
    retrySafe: true,
  },
  DAEMON_IDENTITY_MISMATCH: {
    code: 'UNAVAILABLE',
    title: 'The daemon is not the one the invite was made by',
    hint: 'Do not go on; get a fresh link from the operator and check the address',
  },
  DAEMON_STOPPING: {
    code: 'UNAVAILABLE',
    title: 'The daemon is stopping',
    hint: 'Try again when it is back',
    retrySafe: true,
  },
  DAEMON_START_FAILED: {
    code: 'INTERNAL',
    title: 'The daemon did not start',
    hint: 'See why: palyra daemon logs --tail 50',
  },
  DAEMON_STATE_REGRESSED: {
    code: 'FAILED_PRECONDITION',
    title: 'The daemon has forgotten what this node already knows: its state is older',
    hint: 'Was a backup restored? Restore the newest state, or pair this machine again',
  },
  DAEMON_STILL_RUNNING: {
    code: 'DEADLINE_EXCEEDED',
    title: 'The daemon has not stopped yet',
    hint: 'Stop it without waiting: palyra daemon stop --now',
    retrySafe: true,
  },
  DAEMON_NOT_HERE: {
    code: 'UNAVAILABLE',
    title: 'No daemon here, and no invite given',
    hint: 'To invite a machine run this where the daemon is; to join this machine: palyra node pair <link or host>',
  },
  PORT_IN_USE: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'A port is already in use',
    hint: 'Choose another with --port, --node-port or --console-port; 0 takes any free one',
  },
  ADDRESS_UNAVAILABLE: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'This machine cannot listen on that address',
    hint: 'Choose an address of this machine with --listen',
  },
  SOCKET_PATH_TOO_LONG: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'The path of the local socket is longer than this system allows',
    hint: 'Use a shorter PALYRA_HOME',
  },
  CONFIG_INVALID: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'The configuration is not valid',
    hint: 'Correct the value that is named',
  },

  AUTHORITY_NOT_VALID: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: "The daemon's certificate authority is not valid at this time",
    hint: 'Check the clock of this machine; it is valid for ten years from the first start',
  },

  // State on disk.
  STATE_LOCKED: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'Another process already uses this state directory',
    hint: 'Stop it first, or use another PALYRA_HOME',
  },
  STATE_NOT_OWNED: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'The state directory is not safe to use',
    hint: 'It must be a real directory that belongs to you, with mode 0700, and its files 0600',
  },
  STATE_CORRUPT: {
    code: 'DATA_LOSS',
    title: 'The state on disk is damaged',
    hint: 'Nothing was changed. Keep a copy of the directory, then restore a backup or the previous snapshot',
  },
  STATE_VERSION_UNSUPPORTED: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'The state on disk was written by a newer palyra',
    hint: 'Upgrade palyra, or restore the state that belongs to this version',
  },
  STORAGE_FAILED: {
    code: 'INTERNAL',
    exit: 1,
    title: 'Writing the state failed',
    hint: 'Check the disk; nothing that was confirmed is lost',
  },
  STORAGE_FULL: {
    code: 'RESOURCE_EXHAUSTED',
    title: 'The disk is full: nothing new is accepted',
    hint: 'Free some space; palyra goes on by itself',
    retrySafe: true,
  },

  // Pairing.
  INVITE_REFUSED: {
    code: 'PERMISSION_DENIED',
    exit: 78,
    title: 'The invite was not accepted: it is unknown, used, revoked or expired',
    hint: 'Get a new one where the daemon is: palyra node pair',
  },
  PAIRING_THROTTLED: {
    code: 'RESOURCE_EXHAUSTED',
    exit: 8,
    title: 'Too many wrong codes; pairing is paused for a while',
    hint: 'Wait, then use a new invite made after the pause began: palyra node pair',
  },
  PAIRING_BUSY: {
    code: 'RESOURCE_EXHAUSTED',
    exit: 8,
    title: 'Too many machines are asking to join at once',
    hint: 'Try again in a minute',
    retrySafe: true,
  },
  PAIRING_PROOF_INVALID: {
    code: 'PERMISSION_DENIED',
    exit: 78,
    title: 'The pairing proof is not valid',
    hint: 'Start again with a new invite; if it happens again somebody may be in between',
  },
  PAIRING_SESSION_UNKNOWN: {
    code: 'NOT_FOUND',
    title: 'This pairing attempt is over',
    hint: 'Start it again: palyra node run <link>',
    retrySafe: true,
  },
  PAIRING_REJECTED: {
    code: 'PERMISSION_DENIED',
    exit: 78,
    title: 'The request to join was rejected',
    hint: 'Ask the operator of the daemon',
  },
  PAIRING_EXPIRED: {
    code: 'DEADLINE_EXCEEDED',
    exit: 78,
    title: 'The request to join expired before anybody answered',
    hint: 'Ask again: palyra node run <link>',
  },
  ALREADY_DECIDED: {
    code: 'FAILED_PRECONDITION',
    exit: 7,
    title: 'This request was already answered',
    hint: 'See who answered: palyra approvals show <id>',
  },
  CODE_REQUIRED: {
    code: 'INVALID_ARGUMENT',
    title: 'Joining by host needs the code of the invite',
    hint: 'Type it when asked, or pass it with --code-stdin; a link needs no code',
  },
  CODE_MALFORMED: {
    code: 'INVALID_ARGUMENT',
    title: 'This is not an invite code',
    hint: 'A code has 12 letters and digits, like K7QF-2M9D-4TXW; spaces, dashes and case do not matter',
  },
  NAME_TAKEN: {
    code: 'ALREADY_EXISTS',
    exit: 78,
    title: 'Another node already has this name',
    hint: 'Choose another with --name, or remove the old node: palyra nodes remove <name>',
  },
  CLOCK_SKEW: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: "This machine's clock and the daemon's differ too much",
    hint: 'Set the clock, then try again',
  },
  NODE_NOT_PAIRED: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'This machine is not paired',
    hint: 'Get a link where the daemon is (palyra node pair), then: palyra node run <link>',
  },
  NODE_ALREADY_PAIRED: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'This machine is already paired to another daemon',
    hint: 'Keep that pairing: palyra node run. For a second one use another PALYRA_HOME',
  },
  NODE_ALREADY_RUNNING: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'The node already runs on this machine',
    hint: 'See it: palyra node status',
  },
  PROTOCOL_UNSUPPORTED: {
    code: 'UNIMPLEMENTED',
    exit: 11,
    title: 'The two versions cannot talk to each other',
    hint: 'Upgrade the older side',
  },
  MESSAGE_INVALID: {
    code: 'INVALID_ARGUMENT',
    exit: 1,
    title: 'A message does not follow the protocol',
    hint: 'Upgrade the older side',
  },

  // Dispatch.
  NODE_OFFLINE: {
    code: 'UNAVAILABLE',
    exit: 6,
    title: 'The node is not connected; nothing was sent',
    hint: 'Hold it until the node is back: --queue 1h',
    retrySafe: true,
  },
  CAPABILITY_NOT_GRANTED: {
    code: 'PERMISSION_DENIED',
    exit: 7,
    title: 'The node offers this capability but nobody has granted it',
    hint: 'See what is granted: palyra nodes show <node>',
  },
  QUEUE_FULL: {
    code: 'RESOURCE_EXHAUSTED',
    exit: 6,
    title: 'Too much is waiting for this node; nothing was sent',
    hint: 'Wait for some of it to finish',
    retrySafe: true,
  },
  IDEMPOTENCY_CONFLICT: {
    code: 'ALREADY_EXISTS',
    exit: 2,
    title: 'This idempotency key was used for a different request',
    hint: 'Use a new key for a new request',
  },
  DISPATCH_SETTLED: {
    code: 'FAILED_PRECONDITION',
    exit: 7,
    title: 'The dispatch is already over',
    hint: 'Its outcome does not change',
  },
  WAIT_TIMED_OUT: {
    code: 'DEADLINE_EXCEEDED',
    exit: 8,
    title: 'Waited long enough; it is still pending',
    hint: 'Wait again with the id that is shown',
    retrySafe: true,
  },
  CAPABILITY_INVALID: {
    code: 'FAILED_PRECONDITION',
    exit: 1,
    title: 'A capability could not be registered',
    hint: 'See the name and the reason; the other capabilities work',
  },
  NO_ONE_CAN_BE_ASKED: {
    code: 'PERMISSION_DENIED',
    exit: 7,
    title: 'This capability asks a person at the machine, and nobody can be asked there',
    hint: 'Run palyra node run in a terminal on that machine',
  },

  // Anything else.
  MESSAGE_TOO_LARGE: {
    code: 'RESOURCE_EXHAUSTED',
    exit: 2,
    title: 'The message is too large',
    hint: 'The limit is 1 MiB',
  },
  RATE_LIMITED: {
    code: 'RESOURCE_EXHAUSTED',
    exit: 8,
    title: 'Too many requests',
    hint: 'Wait a little, then try again',
    retrySafe: true,
  },
  CANCELLED: { code: 'CANCELLED', title: 'Cancelled', hint: 'Nothing else was changed' },
  INTERNAL: {
    code: 'INTERNAL',
    title: 'Something unexpected went wrong',
    hint: 'Run it again with -v for the details; the daemon keeps its own log: palyra daemon logs',
  },
});

export type Reason = keyof typeof REASONS;

export function isReason(value: string): value is Reason {
  return Object.hasOwn(REASONS, value);
}
