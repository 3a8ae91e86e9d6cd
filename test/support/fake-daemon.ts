/** `NodeDaemon` over the real carrier: a grpc-js server behind mutual TLS, with certificates of a CA of its own. */
import { Server, ServerCredentials, type ServerDuplexStream, type ServerOptions } from '@grpc/grpc-js';

import { systemClock } from '../../src/lib/base/clock.js';
import { PalyraError } from '../../src/lib/base/errors.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { Authority, createAuthority } from '../../src/lib/identity/authority.js';
import { createDeviceKey, exportKey, spkiOf } from '../../src/lib/identity/device-key.js';
import { PollSessions } from '../../src/lib/daemon/grpc/poll-sessions.js';
import type { StreamLinkMaterial } from '../../src/lib/node/link/stream.js';
import { fromDownMessage, toUpMessage } from '../../src/lib/wire/grpc/convert.js';
import {
  NodeServiceService,
  type DaemonMessage,
  type NodeEvent,
  type NodeServiceServer,
} from '../../src/lib/wire/grpc/generated/palyra/node/v1/node.js';
import { toServiceError } from '../../src/lib/wire/grpc/status.js';
import { acceptAll, DaemonSession, type NodeDaemon, type RegistrationSeen } from './node-daemon.js';

export function testAuthority(now = Date.now()): Authority {
  return new Authority(createAuthority({ now, random: systemRandom, name: 'nas' }));
}

/** What a paired node holds. */
export function nodeMaterial(authority: Authority, deviceId: string): StreamLinkMaterial {
  const key = createDeviceKey();
  const issued = authority.issueNode({ deviceId, spki: spkiOf(key), now: Date.now(), random: systemRandom });
  return { certificatePem: issued.certificatePem, keyPem: exportKey(key), trustBundle: [authority.certificatePem] };
}

const ANY_DEVICE = { kind: 'device', nodeId: 'nod_any', serial: '1', address: '127.0.0.1' } as const;

export class FakeDaemon implements NodeDaemon {
  readonly registrations: RegistrationSeen[] = [];
  readonly sessions: DaemonSession[] = [];
  answer: NodeDaemon['answer'] = acceptAll;
  readonly #server: Server;
  /** The daemon's own, with a script behind it. */
  readonly #polled = new PollSessions({
    clock: systemClock,
    open: (_caller, hello, link) => {
      const session = new DaemonSession(
        (message) => link.send(message),
        (error) => link.end(error ?? null),
      );
      session.received.push(hello);
      this.sessions.push(session);
      return Promise.resolve({
        receive: (message) => void session.received.push(message),
        closed: () => void (session.left = true),
      });
    },
  });
  #port = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.#port}`;
  }

  static async start(
    authority: Authority,
    options: { port?: number; server?: ServerOptions } = {},
  ): Promise<FakeDaemon> {
    const server = new Server(options.server ?? {});
    const daemon = new FakeDaemon(server);
    server.addService(NodeServiceService, daemon.#service());
    const { keyPem, certificatePem } = authority.issueServer({
      hosts: ['127.0.0.1'],
      now: Date.now(),
      random: systemRandom,
    });
    const credentials = ServerCredentials.createSsl(
      Buffer.from(authority.certificatePem),
      [{ private_key: Buffer.from(keyPem), cert_chain: Buffer.from(certificatePem + authority.certificatePem) }],
      true,
    );
    daemon.#port = await new Promise<number>((resolve, reject) => {
      const address = `127.0.0.1:${options.port ?? 0}`;
      server.bindAsync(address, credentials, (error, port) => (error === null ? resolve(port) : reject(error)));
    });
    return daemon;
  }

  get port(): number {
    return this.#port;
  }

  /** Cuts every connection, as a crash would. */
  stop(): void {
    this.#polled.close();
    this.#server.forceShutdown();
  }

  #service(): NodeServiceServer {
    return {
      registerNode: ({ request }, callback) => {
        const { deviceId, bootId, storeId } = request;
        const capabilities = (request.facts?.capabilities ?? []).map(({ name }) => name);
        const seen = { deviceId, bootId, storeId, capabilities };
        this.registrations.push(seen);
        Promise.resolve(seen)
          .then(this.answer)
          .then(
            ({ grantedCapabilities, ...registered }) =>
              callback(null, {
                ...registered,
                grantedCapabilities: [...grantedCapabilities],
                daemonTimeMs: Date.now(),
              }),
            (error: unknown) => callback(toServiceError(PalyraError.from(error))),
          );
      },
      pollCapability: (call, callback) => {
        this.#polled
          .poll(ANY_DEVICE, call.request, (listener) => call.once('cancelled', listener))
          .then((answer) => callback(null, answer))
          .catch((error: unknown) => callback(toServiceError(PalyraError.from(error))));
      },
      completeCapability: (call, callback) => {
        this.#polled
          .complete(ANY_DEVICE, call.request, (listener) => call.once('cancelled', listener))
          .then((answer) => callback(null, answer))
          .catch((error: unknown) => callback(toServiceError(PalyraError.from(error))));
      },
      rotateDeviceCertificate: (_call, callback) => callback(toServiceError(new PalyraError('PERMISSION_DENIED'))),
      revokeDevicePairing: (_call, callback) => callback(toServiceError(new PalyraError('PERMISSION_DENIED'))),
      streamNodeEvents: (call: ServerDuplexStream<NodeEvent, DaemonMessage>) => {
        const session = new DaemonSession(
          (message) => void call.write(fromDownMessage(message)),
          (error) => (error === undefined ? call.end() : void call.emit('error', toServiceError(error))),
        );
        this.sessions.push(session);
        call.on('data', (event: NodeEvent) => session.received.push(toUpMessage(event)));
        call.on('end', () => {
          session.left = true;
          call.end();
        });
        call.on('cancelled', () => (session.left = true));
        call.on('error', () => (session.left = true));
      },
    };
  }
}
