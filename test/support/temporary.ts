/**
 * A private directory of a test's own. Use inside a describe. It is removed when everything that the test's `afterEach` ends has ended: what still ran would
 * go on with a directory whose inode number is given to the next one, and a lock is named after that.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function temporaryDirectory(): () => string {
  let path = '';
  const remove = async () => {
    if (path !== '') await rm(path, { recursive: true, force: true });
    path = '';
  };
  beforeEach(async () => {
    await remove();
    path = await mkdtemp(join(tmpdir(), 'palyra-'));
  });
  after(remove);
  return () => path;
}
