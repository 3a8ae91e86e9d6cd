/**
 * Renews a certificate in a process of its own, which stands still before it asks. Arguments: state directory, `new-key` or `same-key`, file of the gate, time-out
 * in milliseconds. Its last line is `renewed` or the reason why not.
 */
import { systemClock } from '../../src/lib/base/clock.js';
import { PalyraError } from '../../src/lib/base/errors.js';
import { renewCertificate } from '../../src/lib/node/renew.js';
import { standAt } from './gated-process.js';

const [stateDirectory = '', key = '', gateFile = '', timeoutMs = ''] = process.argv.slice(2);
let stood = false;
// The clock is read before anything is sent.
const clock = {
  ...systemClock,
  now: () => {
    if (!stood) standAt('ask', gateFile);
    stood = true;
    return systemClock.now();
  },
};
const options = {
  stateDirectory,
  newKey: key === 'new-key',
  replacing: null,
  byKey: false,
  timeoutMs: Number(timeoutMs),
};
try {
  await renewCertificate(options, { clock });
  process.stdout.write('renewed\n');
} catch (error) {
  process.stdout.write(`${PalyraError.from(error).reason}\n`);
}
