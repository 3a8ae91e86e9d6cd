/**
 * One run of a capability, between protobuf and `base/link-messages`: its fence, its offer, its result. Inputs and outputs are checked to be JSON within
 * limits and then travel on as the same text.
 */
import type { DownMessage, Fence, ResultState, UpMessage } from '../../base/link-messages.js';
import type { DispatchError } from '../../base/model.js';
import { INPUT_LIMITS, MAX_UINT32, OUTPUT_LIMITS, readCapabilityName } from '../../base/link-limits.js';
import {
  EnumTable,
  invalid,
  readCounter,
  readId,
  readJsonText,
  readLine,
  readPresent,
  readText,
  readWhole,
  writeLine,
  writeMs,
  writeText,
} from '../../base/fields.js';
import {
  type CapabilityResult as WireResult,
  type DispatchError as WireDispatchError,
  type Fence as WireFence,
  type Offer as WireOffer,
  ResultState as WireResultState,
} from './generated/palyra/node/v1/node.js';

const resultStates = new EnumTable<WireResultState, ResultState>('result.state', {
  succeeded: WireResultState.RESULT_STATE_SUCCEEDED,
  failed: WireResultState.RESULT_STATE_FAILED,
  denied: WireResultState.RESULT_STATE_DENIED,
  'timed-out': WireResultState.RESULT_STATE_TIMED_OUT,
});

type Result = Extract<UpMessage, { kind: 'result' }>;

/** Output and error exclude each other: exactly a success has an output. */
export function toResult(wire: WireResult): Result {
  const state = resultStates.read(wire.state);
  const succeeded = state === 'succeeded';
  if (succeeded && wire.error !== undefined) throw invalid('result.error', 'is set beside a success');
  if (!succeeded && wire.outputJson.length > 0) throw invalid('result.output_json', 'is set without a success');
  return {
    kind: 'result',
    ...toFence(wire.fence),
    state,
    outputJson: succeeded ? readJsonText('result.output_json', wire.outputJson, OUTPUT_LIMITS) : null,
    error: wire.error === undefined ? null : toDispatchError(wire.error),
    executionMs: readWhole('result.execution_ms', wire.executionMs, 0, MAX_UINT32),
  };
}

export function fromResult(result: Result): WireResult {
  return {
    fence: fromFence(result),
    state: resultStates.write(result.state),
    outputJson: Buffer.from(result.outputJson ?? ''),
    error:
      result.error === null
        ? undefined
        : { code: writeLine(result.error.code), message: writeText(result.error.message) },
    executionMs: writeMs(result.executionMs),
  };
}

function toDispatchError(wire: WireDispatchError): DispatchError {
  return { code: readLine('error.code', wire.code), message: readText('error.message', wire.message) };
}

type Offer = Extract<DownMessage, { kind: 'offer' }>;

export function toOffer(wire: WireOffer): Offer {
  return {
    kind: 'offer',
    ...toFence(wire.fence),
    capability: readCapabilityName('offer.capability', wire.capability),
    inputJson: readJsonText('offer.input_json', wire.inputJson, INPUT_LIMITS),
    runTimeoutMs: readWhole('offer.run_timeout_ms', wire.runTimeoutMs, 1, MAX_UINT32),
    deadlineInMs: readWhole('offer.deadline_in_ms', wire.deadlineInMs, 0, MAX_UINT32),
    requestedBy: readLine('offer.requested_by', wire.requestedBy),
  };
}

export function fromOffer(offer: Offer): WireOffer {
  return {
    fence: fromFence(offer),
    capability: offer.capability,
    inputJson: Buffer.from(offer.inputJson),
    runTimeoutMs: writeMs(offer.runTimeoutMs),
    deadlineInMs: writeMs(offer.deadlineInMs),
    requestedBy: writeLine(offer.requestedBy),
  };
}

export function toFence(wire: WireFence | undefined): Fence {
  const fence = readPresent('fence', wire);
  return { ...toIdAndAttempt(fence), epoch: readCounter('epoch', fence.epoch) };
}

export function fromFence({ id, attempt, epoch }: Fence): WireFence {
  return { id, attempt, epoch };
}

export function toIdAndAttempt(wire: { id: string; attempt: number }): { id: string; attempt: number } {
  return { id: toId(wire.id), attempt: readCounter('attempt', wire.attempt) };
}

export function toId(id: string): string {
  return readId('id', id);
}
