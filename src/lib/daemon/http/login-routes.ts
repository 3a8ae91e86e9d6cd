/**
 * Handlers of logins that a person approves.
 */
import { PalyraError } from '../../base/errors.js';
import type { Handlers } from './handlers.js';

const notHere = async (): Promise<never> => {
  throw new PalyraError('ROUTE_NOT_FOUND');
};

export function loginHandlers(): Pick<Handlers, 'logins.begin' | 'logins.confirm' | 'logins.claim'> {
  return { 'logins.begin': notHere, 'logins.confirm': notHere, 'logins.claim': notHere };
}
