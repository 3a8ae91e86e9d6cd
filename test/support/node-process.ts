/**
 * A node host in a process of its own, to be killed. Arguments: state directory, control socket, capability modules as in a PATH, and if need be transport and timings as JSON.
 * Prints each state on a line, with the error that it has.
 */
import { delimiter } from 'node:path';
import { systemClock } from '../../src/lib/base/clock.js';
import type { TransportMode } from '../../src/lib/base/transports.js';
import { PalyraError } from '../../src/lib/base/errors.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { loadCapabilityModules } from '../../src/lib/node/capabilities/modules.js';
import { createNodeHost } from '../../src/lib/node/host.js';

const [stateDirectory = '', controlSocketPath = '', modules = '', transport = 'auto', timings = '{}'] =
  process.argv.slice(2);
const { registrations } = await loadCapabilityModules(modules.split(delimiter));
const host = createNodeHost(
  {
    stateDirectory,
    controlSocketPath,
    version: '1.0.0',
    transport: transport as TransportMode,
    timings: { backoffBaseMs: 50, backoffCapMs: 200, ...(JSON.parse(timings) as object) },
  },
  { clock: systemClock, random: systemRandom, log: silentLog, registrations },
);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
host.onState(({ state }) => process.stdout.write(`${state}\n`));
try {
  await host.run(stop.signal);
} catch (error) {
  process.exitCode = PalyraError.from(error).exitCode;
}
