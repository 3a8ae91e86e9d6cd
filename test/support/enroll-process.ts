/**
 * Joins by a link in a process of its own and stands still at one step of the conversation. Arguments: state directory, link, step, file of the gate, time-out of
 * a step in milliseconds. Its last line is `paired` or the reason why not.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/base/clock.js';
import { PalyraError } from '../../src/lib/base/errors.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { parseInviteLink } from '../../src/lib/identity/invite-link.js';
import { builtinCapabilities } from '../../src/lib/node/capabilities/builtin.js';
import { enroll } from '../../src/lib/node/enroll.js';
import { describeMachine } from '../../src/lib/node/facts.js';
import { standAt } from './gated-process.js';

const [stateDirectory = '', link = '', step = '', gateFile = '', timeoutMs = ''] = process.argv.slice(2);
const passed = new Set<string>();
const reach = (at: string) => {
  if (at !== step || passed.has(at)) return;
  passed.add(at);
  standAt(at, gateFile);
};
const { facts } = describeMachine('1.0.0', [builtinCapabilities({})]);
const pending = join(stateDirectory, 'join.json');
// The clock is read before the material is asked for, the facts right before they are sent.
const clock = {
  ...systemClock,
  now: () => {
    if (existsSync(pending)) reach('material');
    return systemClock.now();
  },
};
try {
  reach('probe');
  await enroll(
    {
      target: { kind: 'link', link: parseInviteLink(link) },
      stateDirectory,
      timeoutMs: Number(timeoutMs),
      get facts() {
        return {
          ...facts,
          get hostname() {
            reach('complete');
            return facts.hostname;
          },
        };
      },
      onStep: ({ step: at }) => reach(at === 'reached' ? 'begin' : at),
    },
    { clock, random: systemRandom, log: silentLog },
  );
  process.stdout.write('paired\n');
} catch (error) {
  process.stdout.write(`${PalyraError.from(error).reason}\n`);
}
