import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PalyraError } from '../../../src/lib/base/errors.js';
import { LogFile, logGenerations } from '../../../src/lib/cli/log-file.js';
import { followLog, readLog } from '../../../src/lib/cli/log-reader.js';
import { createLog, logLevelOf } from '../../../src/lib/cli/logging.js';
import { redact } from '../../../src/lib/cli/redaction.js';

const ALL = { since: null, level: 'debug', tail: null } as const;

describe('the log of a service', () => {
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'palyra-log-'));
    path = join(directory, 'logs', 'daemon.log');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const lines = (format: 'json' | 'pretty', write: (log: ReturnType<typeof createLog>) => void): string[] => {
    const written: string[] = [];
    write(createLog({ destination: { write: (line) => written.push(line) }, level: 'debug', format }));
    return written;
  };

  it('has time, level, scope and message in every record', () => {
    const [line = ''] = lines('json', (log) => log.scope('node').info('pi-lab online', { node: 'nod_1' }));
    const record = JSON.parse(line) as Record<string, unknown>;
    assert.match(String(record['time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual(
      { ...record, time: 0 },
      { level: 'info', time: 0, scope: 'node', node: 'nod_1', msg: 'pi-lab online' },
    );
  });

  it('turns an error into code and message, and keeps the stack for debugging', () => {
    const err = new PalyraError('STORAGE_FAILED', { detail: 'journal', cause: new Error('EIO') });
    const [line = ''] = lines('json', (log) => log.error('it failed', { err }));
    const record = JSON.parse(line) as { err: Record<string, string> };
    assert.equal(record.err['code'], 'STORAGE_FAILED');
    assert.match(record.err['cause'] ?? '', /EIO/);
  });

  it('never holds a secret: by the name of the field, by the shape of the text', () => {
    const secret = 'K7QF2M9D4TXW';
    const [line = ''] = lines('json', (log) =>
      log.warn(`GET /j/${secret}-9Q3MZ8XHCV2R5T7WK4NBD6YJPE`, {
        code: secret,
        nested: { inviteCode: secret, deviceKey: secret, password: secret, list: [{ token: secret }] },
        text: `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----`,
        err: new Error(`https://nas.lan:7443/j/${secret}-9Q3M`),
      }),
    );
    assert.ok(!line.includes(secret), line);
    const facts = { statusCode: 1, codes: 2, nodeId: 'nod_1', keyFingerprint: 'ab' };
    assert.deepEqual(redact(facts), facts);
  });

  it('writes lines for people with the same facts', () => {
    const [line = ''] = lines('pretty', (log) => log.scope('pairing').warn('wrong code', { address: '192.168.1.37' }));
    assert.match(line, /^\d\d:\d\d:\d\d warn {2}pairing {3}wrong code address=192\.168\.1\.37\n$/);
  });

  it('takes the level from the flag, else from the environment, else info', () => {
    assert.equal(logLevelOf('warn', { PALYRA_LOG_LEVEL: 'debug' }), 'warn');
    assert.equal(logLevelOf(undefined, { PALYRA_LOG_LEVEL: 'DEBUG' }), 'debug');
    assert.equal(logLevelOf(undefined, { PALYRA_LOG_LEVEL: 'loud' }), 'info');
  });

  it('rotates into three files that only their owner can read', () => {
    const file = new LogFile(path, { maxBytes: 100 });
    for (let index = 0; index < 20; index++) file.write(`${'x'.repeat(40)} ${index}\n`);
    file.close();
    const files = logGenerations(path);
    assert.equal(files.length, 3);
    for (const name of files) {
      assert.ok(statSync(name).size <= 100);
      assert.equal(statSync(name).mode & 0o777, 0o600);
    }
    assert.ok(!existsSync(`${path}.3`));
    assert.match(readFileSync(path, 'utf8'), / 19\n$/);
  });

  it('is read back across generations, filtered by level, age and number', async () => {
    const file = new LogFile(path, { maxBytes: 400 });
    const log = createLog({ destination: file, level: 'debug', format: 'json' });
    for (let index = 0; index < 6; index++) log[index % 2 === 0 ? 'info' : 'warn'](`record ${index}`);
    file.close();
    assert.ok(existsSync(`${path}.1`));
    const messages = async (query: Parameters<typeof readLog>[1]) =>
      (await readLog(path, query)).map((record) => record.msg);
    assert.deepEqual(await messages(ALL), ['record 0', 'record 1', 'record 2', 'record 3', 'record 4', 'record 5']);
    assert.deepEqual(await messages({ ...ALL, level: 'warn', tail: 2 }), ['record 3', 'record 5']);
    assert.deepEqual(await messages({ ...ALL, since: Date.now() + 60_000 }), []);
  });

  it('is followed across a rotation without losing a record', async () => {
    const file = new LogFile(path, { maxBytes: 300 });
    const log = createLog({ destination: file, level: 'debug', format: 'json' });
    log.info('before');
    const stop = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const record of followLog(path, ALL, statSync(path).size, stop.signal)) {
        seen.push(record.msg);
        if (record.msg === 'record 2') for (const index of [3, 4]) log.info(`record ${index}`);
        if (record.msg === 'record 4') stop.abort();
      }
    })();
    for (const index of [1, 2]) log.info(`record ${index}`);
    await following;
    file.close();
    assert.deepEqual(seen, ['record 1', 'record 2', 'record 3', 'record 4']);
  });
});
