/**
 * The first message each way, between protobuf and `base/link-messages`: what a node still knows (hello) and what the daemon makes of it (welcome).
 * Together they reconcile the two sides before anything is offered.
 */
import type { Hello, KnownDispatch, Welcome } from '../../base/link-messages.js';
import type { Away } from '../../base/absences.js';
import { MAX_AWAY_MS, MAX_CREDIT, MAX_DISPATCHES, MAX_PROTOCOL, MAX_UINT32 } from '../../base/link-limits.js';
import { toId, toIdAndAttempt } from './convert-run.js';
import {
  EnumTable,
  readCounter,
  readLine,
  readList,
  readPresent,
  readWhole,
  writeLine,
  writeMs,
} from '../../base/fields.js';
import {
  type KnownDispatch as WireKnown,
  KnownState,
  type NodeAway,
  type NodeStarted,
  type Welcome as WireWelcome,
} from './generated/palyra/node/v1/node.js';

const knownStates = new EnumTable<KnownState, KnownDispatch['state']>('known.state', {
  received: KnownState.KNOWN_STATE_RECEIVED,
  started: KnownState.KNOWN_STATE_STARTED,
  done: KnownState.KNOWN_STATE_DONE,
});

export function toHello(wire: NodeStarted): Hello {
  const { min, max } = readPresent('protocol', wire.protocol);
  return {
    kind: 'hello',
    bootId: readLine('boot_id', wire.bootId),
    storeId: readLine('store_id', wire.storeId),
    protocol: {
      min: readWhole('protocol.min', min, 1, MAX_PROTOCOL),
      max: readWhole('protocol.max', max, min, MAX_PROTOCOL),
    },
    version: readLine('version', wire.version),
    credit: readWhole('credit', wire.credit, 1, MAX_CREDIT),
    lastEpoch: readWhole('last_epoch', wire.lastEpoch, 0, Number.MAX_SAFE_INTEGER),
    known: readList('known', wire.known, MAX_DISPATCHES, toKnown),
    ...(wire.away === undefined ? {} : { away: toAway(wire.away) }),
  };
}

export function fromHello(hello: Hello): NodeStarted {
  return {
    deviceId: '',
    bootId: hello.bootId,
    storeId: hello.storeId,
    protocol: { ...hello.protocol },
    version: writeLine(hello.version),
    credit: hello.credit,
    lastEpoch: hello.lastEpoch,
    known: hello.known.map((known) => ({ ...known, state: knownStates.write(known.state) })),
    away: fromAway(hello.away),
  };
}

export function fromAway(away: Away | undefined): NodeAway | undefined {
  return away === undefined ? undefined : { ...away, message: writeLine(away.message) };
}

export function toAway({ pausedMs, clockMs, reason, message }: NodeAway): Away {
  return {
    pausedMs: readWhole('away.paused_ms', pausedMs, 0, MAX_AWAY_MS),
    clockMs: readWhole('away.clock_ms', clockMs, -MAX_AWAY_MS, MAX_AWAY_MS),
    reason: readLine('away.reason', reason, { optional: true }),
    message: readLine('away.message', message, { optional: true }),
  };
}

function toKnown(wire: WireKnown): KnownDispatch {
  return { ...toIdAndAttempt(wire), state: knownStates.read(wire.state), alive: wire.alive };
}

export function toWelcome(wire: WireWelcome): Welcome {
  return {
    kind: 'welcome',
    epoch: readCounter('epoch', wire.epoch),
    heartbeatMs: readWhole('heartbeat_ms', wire.heartbeatMs, 1, MAX_UINT32),
    leaseMs: readWhole('lease_ms', wire.leaseMs, 1, MAX_UINT32),
    keep: readList('keep', wire.keep, MAX_DISPATCHES, toId),
    drop: readList('drop', wire.drop, MAX_DISPATCHES, toId),
    wantResults: readList('want_results', wire.wantResults, MAX_DISPATCHES, toId),
    cancel: readList('cancel', wire.cancel, MAX_DISPATCHES, toIdAndAttempt),
  };
}

export function fromWelcome(welcome: Welcome): WireWelcome {
  return {
    epoch: welcome.epoch,
    heartbeatMs: writeMs(welcome.heartbeatMs),
    leaseMs: writeMs(welcome.leaseMs),
    keep: [...welcome.keep],
    drop: [...welcome.drop],
    wantResults: [...welcome.wantResults],
    cancel: welcome.cancel.map((cancel) => ({ ...cancel })),
  };
}
