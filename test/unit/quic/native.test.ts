/** The surface of the native binding that we use: pinned, and missing parts are named. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { NATIVE_SURFACE, loadQuiche } from '../../../src/lib/quic/native.js';
import { SOURCE_ROOT } from '../../support/source-tree.js';
import { rejectsWith } from '../../support/rejects-with.js';

describe('The native QUIC binding', () => {
  it('has everything we use, in the version we pin', async () => {
    const quiche = await loadQuiche();
    assert.equal(quiche.PROTOCOL_VERSION, 1);
    assert.deepEqual([quiche.Shutdown.Read, quiche.Shutdown.Write], [0, 1]);
    assert.equal(quiche.Type.Initial, 0);
  });

  it('is asked for nothing that is not written down', () => {
    const folder = join(SOURCE_ROOT, 'lib', 'quic');
    const source = readdirSync(folder)
      .filter((file) => file !== 'native.ts')
      .map((file) => readFileSync(join(folder, file), 'utf8'))
      .join('\n');
    const called = (pattern: RegExp) => new Set([...source.matchAll(pattern)].map((match) => match[1]!));
    const surface = NATIVE_SURFACE.methods;
    const connection = called(/native\.(\w+)\(/g);
    assert.deepEqual(
      [...connection].filter((name) => !(surface.Connection as readonly string[]).includes(name)),
      [],
    );
    assert.deepEqual(
      surface.Connection.filter((name) => !connection.has(name)),
      [],
    );
    assert.deepEqual([...called(/config\.(\w+)\(/g)].sort(), [...surface.Config].sort());
  });

  it('names what a later version lacks', async () => {
    const real = (await loadQuiche()) as unknown as Record<string, unknown>;
    const { Connection: RealConnection } = real as {
      Connection: { prototype: object; connect: unknown; accept: unknown };
    };
    class Connection {
      static connect = RealConnection.connect;
      static accept = RealConnection.accept;
    }
    for (const name of NATIVE_SURFACE.methods.Connection) {
      if (name !== 'timeout') Object.defineProperty(Connection.prototype, name, { value: () => undefined });
    }
    const error = await rejectsWith(
      loadQuiche(async () => ({ default: { ...real, Connection, retry: undefined } })),
      'QUIC_UNAVAILABLE',
    );
    assert.deepEqual(error.details['missing'], ['retry', 'Connection.prototype.timeout']);
    assert.match(error.detail ?? '', /lacks retry/);
  });

  it('says so when the package is not installed, or is something else', async () => {
    const missing = Object.assign(new Error("Cannot find package '@matrixai/quic'"), { code: 'ERR_MODULE_NOT_FOUND' });
    const error = await rejectsWith(
      loadQuiche(() => Promise.reject(missing)),
      'QUIC_UNAVAILABLE',
    );
    assert.match(error.hint, /--transport/);
    for (const module of [{}, { default: null }, { default: 5 }]) {
      await rejectsWith(
        loadQuiche(async () => module),
        'QUIC_UNAVAILABLE',
      );
    }
  });
});
