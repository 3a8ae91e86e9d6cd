/** A process with a watchdog of one second. Argument: `block` for a loop that never turns, `deaf` for a link on which nothing comes, `well` for neither. */
import { startWatchdog } from '../../src/lib/cli/watchdog.js';

const how = process.argv[2];
let beats = 0;
startWatchdog({
  stuckMs: 1_000,
  pulse: () => ({ online: true, beats: how === 'deaf' ? 0 : beats++ }),
  onDeaf: () => process.exit(1),
});
process.stdout.write('up\n');
setTimeout(() => {
  if (how === 'block') for (;;);
}, 100);
setTimeout(() => process.exit(0), 4_000);
