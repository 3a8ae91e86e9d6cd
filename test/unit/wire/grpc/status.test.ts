import assert from 'node:assert/strict';
import { Client, credentials, Metadata, Server, ServerCredentials, status, type ServiceError } from '@grpc/grpc-js';
import { PalyraError } from '../../../../src/lib/base/errors.js';
import { ErrorFacts } from '../../../../src/lib/wire/grpc/generated/palyra/common/v1/common.js';
import { decodeRpcStatus, encodeRpcStatus } from '../../../../src/lib/wire/grpc/rpc-status.js';
import { fromServiceError, toServiceError } from '../../../../src/lib/wire/grpc/status.js';

const foreign = (code: number, details = '') =>
  Object.assign(new Error(details), { code, details, metadata: new Metadata() });
const bytes = (value: Buffer) => value;
const call = {
  path: '/test.Test/Call',
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
};

describe('errors over gRPC', () => {
  it('cross a real connection, unary and stream alike', async () => {
    const error = new PalyraError('NODE_OFFLINE', {
      detail: 'nas was last seen 3 h ago – "gestern"',
      hint: 'palyra nodes invoke nas --queue 1h',
      details: { node: 'nas', since: 3, nested: { list: [1, null, 'ü'] } },
      cause: new Error('secret'),
    });
    const server = new Server();
    server.addService(
      {
        Call: { ...call, requestStream: false, responseStream: false },
        Stream: { ...call, path: '/test.Test/Stream', requestStream: false, responseStream: true },
      },
      {
        Call: (_: unknown, done: (failure: ServiceError) => void) => done(toServiceError(error)),
        Stream: (stream: NodeJS.EventEmitter) => stream.emit('error', toServiceError(error)),
      },
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (failure, bound) =>
        failure === null ? resolve(bound) : reject(failure),
      );
    });
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    try {
      const unary = await new Promise((resolve) => {
        client.makeUnaryRequest(
          call.path,
          bytes,
          bytes,
          Buffer.alloc(0),
          new Metadata(),
          { deadline: Date.now() + 5_000 },
          resolve,
        );
      });
      const stream = await new Promise((resolve) => {
        client
          .makeServerStreamRequest('/test.Test/Stream', bytes, bytes, Buffer.alloc(0), new Metadata(), {
            deadline: Date.now() + 5_000,
          })
          .on('error', resolve)
          .on('data', () => undefined);
      });
      for (const received of [unary, stream]) {
        const back = fromServiceError(received);
        assert.deepEqual(back.toFacts(), error.toFacts());
        assert.equal((received as ServiceError).code, status.UNAVAILABLE);
        assert.ok(!JSON.stringify(back.toFacts()).includes('secret'));
      }
      const unknown = await new Promise((resolve) => {
        client.makeUnaryRequest(
          '/test.Test/None',
          bytes,
          bytes,
          Buffer.alloc(0),
          new Metadata(),
          { deadline: Date.now() + 5_000 },
          resolve,
        );
      });
      assert.equal(fromServiceError(unknown).reason, 'PROTOCOL_UNSUPPORTED');
    } finally {
      client.close();
      server.forceShutdown();
    }
  });

  it('show ErrorInfo to any client', () => {
    const trailer = toServiceError(new PalyraError('QUEUE_FULL')).metadata.get('grpc-status-details-bin')[0] as Buffer;
    const { code, message, details } = decodeRpcStatus(trailer);
    assert.equal(code, status.RESOURCE_EXHAUSTED);
    assert.match(message, /waiting for this node/);
    assert.equal(details[0]?.typeUrl, 'type.googleapis.com/google.rpc.ErrorInfo');
    assert.equal(
      Buffer.from(details[0]?.value ?? []).toString('hex'),
      `0a0a${Buffer.from('QUEUE_FULL').toString('hex')}1206${Buffer.from('palyra').toString('hex')}`,
    );
  });

  it('map what grpc-js says by itself', () => {
    for (const [code, details, reason] of [
      [
        status.UNAVAILABLE,
        'No connection established. Last error: connect ECONNREFUSED 127.0.0.1:7444',
        'DAEMON_UNREACHABLE',
      ],
      [status.UNIMPLEMENTED, 'The server does not implement the method', 'PROTOCOL_UNSUPPORTED'],
      [status.DEADLINE_EXCEEDED, 'Deadline exceeded after 5.000s', 'WAIT_TIMED_OUT'],
      [status.CANCELLED, 'Cancelled on client', 'CANCELLED'],
      [status.RESOURCE_EXHAUSTED, 'Received message larger than max (2000000 vs. 1048576)', 'MESSAGE_TOO_LARGE'],
      [status.RESOURCE_EXHAUSTED, 'Attempted to send message with a size larger than 1048576', 'MESSAGE_TOO_LARGE'],
      [status.RESOURCE_EXHAUSTED, 'Bandwidth exhausted or memory limit exceeded', 'RATE_LIMITED'],
      [status.INTERNAL, 'Received RST_STREAM with code 2 (Internal server error)', 'DAEMON_UNREACHABLE'],
      [status.INTERNAL, 'Error deserializing request', 'INTERNAL'],
      [status.UNAUTHENTICATED, '', 'UNAUTHENTICATED'],
      [status.PERMISSION_DENIED, '', 'PERMISSION_DENIED'],
      [status.INVALID_ARGUMENT, '', 'MESSAGE_INVALID'],
      [status.UNKNOWN, '', 'INTERNAL'],
    ] as const) {
      const error = fromServiceError(foreign(code, details));
      assert.equal(error.reason, reason, `${status[code]} ${details}`);
      assert.equal(error.detail, details === '' ? null : details);
    }
  });

  it('pass through what is ours already and wrap what is nobody’s', () => {
    const ours = new PalyraError('NODE_REVOKED');
    assert.equal(fromServiceError(ours), ours);
    for (const strange of [new Error('x'), null, 'x', { code: 'ENOENT' }])
      assert.equal(fromServiceError(strange).reason, 'INTERNAL');
  });

  it('keep the kind of a reason that only a newer peer knows', () => {
    const facts = ErrorFacts.encode({
      reason: 'NODE_ON_HOLIDAY',
      detail: 'until Monday',
      hint: 'Wait',
      detailsJson: Buffer.from('{"until":1}'),
    }).finish();
    const metadata = new Metadata();
    const details = [{ typeUrl: 'type.googleapis.com/palyra.common.v1.ErrorFacts', value: facts }];
    metadata.set('grpc-status-details-bin', Buffer.from(encodeRpcStatus({ code: 14, message: 'x', details })));
    const error = fromServiceError({ ...foreign(status.UNAVAILABLE), metadata });
    assert.equal(error.reason, 'DAEMON_UNREACHABLE');
    assert.equal(error.detail, 'until Monday');
    assert.deepEqual(error.details, { until: 1, reason: 'NODE_ON_HOLIDAY' });
  });

  it('fall back to the status code when the trailer is damaged or hostile', () => {
    const good = toServiceError(new PalyraError('NODE_REVOKED')).metadata.get('grpc-status-details-bin')[0] as Buffer;
    const deep = ErrorFacts.encode({
      reason: 'NODE_REVOKED',
      detail: '',
      hint: '',
      detailsJson: Buffer.from('['.repeat(5_000)),
    }).finish();
    const details = [{ typeUrl: 'type.googleapis.com/palyra.common.v1.ErrorFacts', value: deep }];
    for (const trailer of [
      Buffer.alloc(0),
      good.subarray(0, 40),
      Buffer.alloc(100, 0xff),
      Buffer.alloc(20_000, 8),
      Buffer.from(encodeRpcStatus({ code: 7, message: '', details })),
    ]) {
      const metadata = new Metadata();
      metadata.set('grpc-status-details-bin', trailer);
      assert.equal(fromServiceError({ ...foreign(status.PERMISSION_DENIED), metadata }).reason, 'PERMISSION_DENIED');
    }
  });

  it('stay small enough for headers, whatever they carry', () => {
    const error = new PalyraError('INPUT_INVALID', {
      detail: 'ü'.repeat(50_000),
      hint: '🦊'.repeat(50_000),
      details: { big: 'x'.repeat(50_000) },
    });
    const { metadata, details } = toServiceError(error);
    const trailer = metadata.get('grpc-status-details-bin')[0] as Buffer;
    assert.ok(trailer.length + encodeURIComponent(details).length < 8_000, `${trailer.length}`);
    const back = fromServiceError(toServiceError(error));
    assert.equal(back.reason, 'INPUT_INVALID');
    assert.deepEqual(back.details, {});
  });
});
