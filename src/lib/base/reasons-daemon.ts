/** Reasons of the daemon itself and of the state on disk. */
import { reasons } from './reason-row.js';

export const DAEMON_REASONS = reasons({
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
});
