/** What the daemon answered to a request to join, as material or as a refusal. */
import { PalyraError } from '../base/errors.js';
import {
  PairingState,
  type PairingMaterial,
  type PairingRequestStatus,
} from '../wire/grpc/generated/palyra/pairing/v1/pairing.js';

/** Throws MESSAGE_INVALID when there is none. */
export function requestIdOf(status: PairingRequestStatus | undefined): string {
  if (status === undefined || status.requestId === '')
    throw new PalyraError('MESSAGE_INVALID', { detail: 'pairing request' });
  return status.requestId;
}

/** Null while nobody has answered. Throws PAIRING_REJECTED and PAIRING_EXPIRED with the daemon's words. */
export function answerOf(status: PairingRequestStatus): PairingMaterial | null {
  const words = status.message === '' ? {} : { detail: status.message.slice(0, 1_000) };
  switch (status.state) {
    case PairingState.PAIRING_STATE_ISSUED:
      if (status.material === undefined) throw new PalyraError('MESSAGE_INVALID', { detail: 'pairing material' });
      return status.material;
    case PairingState.PAIRING_STATE_PENDING:
    case PairingState.PAIRING_STATE_APPROVED:
      return null;
    case PairingState.PAIRING_STATE_EXPIRED:
      throw new PalyraError('PAIRING_EXPIRED', words);
    case PairingState.PAIRING_STATE_REJECTED:
    case PairingState.PAIRING_STATE_WITHDRAWN:
      throw new PalyraError('PAIRING_REJECTED', words);
    default:
      throw new PalyraError('MESSAGE_INVALID', { detail: `pairing state ${status.state}` });
  }
}
