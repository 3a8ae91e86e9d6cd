/** A private directory of a test's own, gone when the test is. Use inside a describe. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function temporaryDirectory(): () => string {
  let path = '';
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'palyra-'));
  });
  afterEach(() => rm(path, { recursive: true, force: true }));
  return () => path;
}
