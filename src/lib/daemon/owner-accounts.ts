/** The accounts of a daemon that has only its owner. */
import { PalyraError } from '../base/errors.js';
import type { Accounts, OperatorAccount, SessionStarter } from './session-starter.js';

export function ownerAccounts({ ownerName }: { readonly ownerName: string }): Accounts & SessionStarter {
  const owner: OperatorAccount = { id: 'opr_000000', name: ownerName, state: 'active' };
  return {
    operatorOf: () => owner,
    findOperator: (name) => {
      if (name.toLowerCase() === ownerName.toLowerCase()) return owner;
      throw new PalyraError('OPERATOR_NOT_FOUND', { detail: name });
    },
    startSession: () => Promise.reject(new PalyraError('ACCESS_FULL')),
  };
}
