/**
 * Errors over gRPC, there and back: status code and text for everybody, reason and facts in the trailer `grpc-status-details-bin`. Decoding what was
 * encoded gives the same error, for every reason. What has no facts comes from grpc-js or from a stranger and is mapped by its status code.
 */
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { isReason, PalyraError, type Reason } from '../../base/errors.js';
import { parseBoundedJson } from '../../base/json.js';
import { writeJson, writeText } from '../../base/fields.js';
import { ErrorFacts } from './generated/palyra/common/v1/common.js';
import { decodeRpcStatus, encodeErrorInfo, encodeRpcStatus } from './rpc-status.js';

const TRAILER = 'grpc-status-details-bin';
const DOMAIN = 'palyra';
const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';
const ERROR_FACTS = 'type.googleapis.com/palyra.common.v1.ErrorFacts';

/** Peers refuse header blocks above 8 KiB or so. Details that do not fit are left out; texts are cut. */
const MAX_DETAILS_JSON_BYTES = 2 * 1024;
const MAX_TEXT_CHARACTERS = 400;
/** What is read at all of a trailer. */
const MAX_TRAILER_BYTES = 16 * 1024;

/**
 * For a unary callback, and for `call.emit('error', …)` on a server's stream: `call.destroy` would end the stream without a status, and the peer would
 * wait for its deadline. Carries the public part of the error only.
 */
export function toServiceError(error: PalyraError): ServiceError {
  const metadata = new Metadata();
  metadata.set(TRAILER, Buffer.from(encodeRpcStatus(toRpcStatus(error))));
  const details = short(error.message);
  return Object.assign(new Error(details), { code: error.grpcStatus, details, metadata });
}

/** What a call failed with. Gives palyra's own error back when the peer sent one. */
export function fromServiceError(error: unknown): PalyraError {
  if (error instanceof PalyraError || !isServiceError(error)) return PalyraError.from(error);
  const foreign = foreignReason(error.code, error.details ?? '');
  const facts = factsOf(error.metadata);
  if (facts === null) {
    return new PalyraError(foreign, {
      ...(error.details === undefined || error.details === '' ? {} : { detail: short(error.details) }),
      cause: error,
    });
  }
  // A reason of a newer peer: its status code still says what kind of failure it is.
  const known = isReason(facts.reason);
  return PalyraError.fromFacts({
    reason: known ? facts.reason : foreign,
    detail: facts.detail === '' ? null : facts.detail,
    hint: facts.hint,
    details: known ? facts.details : { ...facts.details, reason: facts.reason },
  });
}

function toRpcStatus(error: PalyraError) {
  const detailsJson = writeJson(error.details);
  const facts = ErrorFacts.encode({
    reason: error.reason,
    detail: short(error.detail ?? ''),
    hint: short(error.hint),
    detailsJson: detailsJson.length > MAX_DETAILS_JSON_BYTES ? Buffer.from('{}') : detailsJson,
  }).finish();
  return {
    code: error.grpcStatus,
    message: short(error.message),
    details: [
      { typeUrl: ERROR_INFO, value: encodeErrorInfo(error.reason, DOMAIN) },
      { typeUrl: ERROR_FACTS, value: facts },
    ],
  };
}

interface Facts {
  readonly reason: string;
  readonly detail: string;
  readonly hint: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Null when there are none or they cannot be read: the status code is then all there is. */
function factsOf(metadata: Metadata | undefined): Facts | null {
  const trailer = metadata?.get(TRAILER)[0];
  if (!Buffer.isBuffer(trailer) || trailer.length > MAX_TRAILER_BYTES) return null;
  try {
    const any = decodeRpcStatus(trailer).details.find(({ typeUrl }) => typeUrl === ERROR_FACTS);
    if (any === undefined) return null;
    const { reason, detail, hint, detailsJson } = ErrorFacts.decode(any.value);
    const details = parseBoundedJson(detailsJson.toString('utf8') || '{}');
    const usable = typeof details === 'object' && details !== null && !Array.isArray(details);
    return { reason, detail, hint, details: usable ? details : {} };
  } catch {
    return null;
  }
}

/** grpc-js says these itself: no peer of ours has spoken. */
function foreignReason(code: status, details: string): Reason {
  switch (code) {
    case status.CANCELLED:
      return 'CANCELLED';
    case status.UNAVAILABLE:
      return 'DAEMON_UNREACHABLE';
    case status.DEADLINE_EXCEEDED:
      return 'WAIT_TIMED_OUT';
    case status.UNIMPLEMENTED:
      return 'PROTOCOL_UNSUPPORTED';
    case status.INVALID_ARGUMENT:
      return 'MESSAGE_INVALID';
    case status.UNAUTHENTICATED:
      return 'UNAUTHENTICATED';
    case status.PERMISSION_DENIED:
      return 'PERMISSION_DENIED';
    case status.RESOURCE_EXHAUSTED:
      return /message.*(larger|size)|(larger|size).*message/i.test(details) ? 'MESSAGE_TOO_LARGE' : 'RATE_LIMITED';
    case status.INTERNAL:
      // A stream that the transport cut under us. Trying again is right; nothing in it is a fault of the peer's logic.
      return /RST_STREAM/.test(details) ? 'DAEMON_UNREACHABLE' : 'INTERNAL';
    default:
      return 'INTERNAL';
  }
}

function isServiceError(error: unknown): error is { code: status; details?: string; metadata?: Metadata } {
  if (typeof error !== 'object' || error === null) return false;
  const { code, details, metadata } = error as Record<string, unknown>;
  return (
    typeof code === 'number' &&
    (details === undefined || typeof details === 'string') &&
    (metadata === undefined || metadata instanceof Metadata)
  );
}

function short(text: string): string {
  return text.length <= MAX_TEXT_CHARACTERS ? text : writeText(`${text.slice(0, MAX_TEXT_CHARACTERS - 1)}…`);
}
