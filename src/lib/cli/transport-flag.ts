/** `--transport`, and `PALYRA_TRANSPORT` for machines that nobody types on. */
import { Flags } from '@oclif/core';
import { PalyraError } from '../base/errors.js';
import { TRANSPORT_MODES, type TransportMode } from '../base/transports.js';
import { readVariable, type Environment } from './environment.js';

export const transportFlag = {
  transport: Flags.option({ options: TRANSPORT_MODES })({
    description:
      'What carries the link: a gRPC stream, QUIC, or calls that wait (poll); auto takes the best that works (also: PALYRA_TRANSPORT)',
  }),
};

/** Throws CONFIG_INVALID for a word that the variable may not be. */
export function wantedTransport(flag: TransportMode | undefined, env: Environment = process.env): TransportMode {
  const wanted = flag ?? readVariable('PALYRA_TRANSPORT', env) ?? 'auto';
  const mode = TRANSPORT_MODES.find((each) => each === wanted);
  if (mode !== undefined) return mode;
  throw new PalyraError('CONFIG_INVALID', {
    detail: `PALYRA_TRANSPORT is none of ${TRANSPORT_MODES.join(', ')}`,
  });
}
