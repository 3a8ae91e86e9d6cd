/** Child process of the lock tests: takes the lock of the directory in argv, reports on stdout, and holds it until it is killed. */
import { acquireLock } from '../../src/lib/base/lock.js';

try {
  await acquireLock(process.argv[2] as string);
  process.stdout.write('locked\n');
  setInterval(() => undefined, 60_000);
} catch (error) {
  process.stdout.write(`${(error as { reason: string }).reason}\n`);
}
