/** `NodeDaemon` over QUIC: the daemon's own service on a real UDP port, with a script behind it instead of a runtime. */
import { systemClock } from '../../src/lib/base/clock.js';
import { PalyraError } from '../../src/lib/base/errors.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import type { QuicSession } from '../../src/lib/daemon/quic/session.js';
import { NodePlugins } from '../../src/lib/daemon/node-plugins.js';
import { QuicService } from '../../src/lib/daemon/quic/service.js';
import type { Authority } from '../../src/lib/identity/authority.js';
import { listenQuic, type QuicServer } from '../../src/lib/quic/endpoint-server.js';
import type { QuicTransportOptions } from '../../src/lib/quic/options.js';
import type { QuicStream } from '../../src/lib/quic/stream.js';
import type { ByteStream } from '../../src/lib/wire/quic/channel.js';
import { readRequest } from '../../src/lib/wire/quic/methods.js';
import { MessageDecoder } from '../../src/lib/wire/quic/parts.js';
import { acceptAll, DaemonSession, type NodeDaemon, type RegistrationSeen } from './node-daemon.js';

const DEVICE = { kind: 'device', nodeId: 'nod_01JTESTTESTTESTTESTTESTTES', serial: '1', address: '127.0.0.1' } as const;

export interface FakeQuicOptions {
  readonly port?: number;
  readonly transport?: Partial<QuicTransportOptions>;
  /** Throws what the daemon refuses a device with. */
  readonly authorize?: () => void;
}

export class FakeQuicDaemon implements NodeDaemon {
  readonly registrations: RegistrationSeen[] = [];
  readonly sessions: DaemonSession[] = [];
  /** The daemon's side of each of them. */
  readonly links: QuicSession[] = [];
  answer: NodeDaemon['answer'] = acceptAll;
  connections = 0;
  readonly service: QuicService;
  #server!: QuicServer;

  private constructor() {
    this.service = new QuicService(
      {
        clock: systemClock,
        log: silentLog,
        plugins: new NodePlugins(),
        denials: { denied: () => undefined },
        connections: () => this.#server.stats().connections,
        runtime: {
          registerNode: async () => {
            const { deviceId, name, protocol, grantedCapabilities } = await this.answer(this.registrations.at(-1)!);
            return { deviceId, name, protocol, grantedCapabilities: [...grantedCapabilities] };
          },
          openLink: async (_caller, hello, sink) => {
            const link = sink as QuicSession;
            const session = new DaemonSession(
              (message) => link.send(message),
              (error) => link.end(error ?? null),
            );
            session.received.push(hello);
            this.sessions.push(session);
            this.links.push(link);
            return {
              receive: (message) => void session.received.push(message),
              closed: () => void (session.left = true),
            };
          },
        },
      },
      { name: 'nas', version: '1.0.0' },
    );
  }

  static async start(authority: Authority, options: FakeQuicOptions = {}): Promise<FakeQuicDaemon> {
    const daemon = new FakeQuicDaemon();
    const tls = authority.issueServer({ hosts: ['localhost', '127.0.0.1'], now: Date.now(), random: systemRandom });
    daemon.#server = await listenQuic(
      { clock: systemClock, random: systemRandom, log: silentLog },
      {
        host: '127.0.0.1',
        port: options.port ?? 0,
        tls: { ...tls, caPem: authority.certificatePem },
        limits: { maxPerDevice: 64 },
        ...(options.transport === undefined ? {} : { transport: options.transport }),
        authorize: () => {
          options.authorize?.();
          return { id: DEVICE.nodeId, known: true };
        },
        onConnection: (connection) => {
          daemon.connections += 1;
          const peer = {
            deviceId: DEVICE.nodeId,
            caller: () => DEVICE,
          };
          connection.onStream((stream) => daemon.service.serve(daemon.#seen(stream), peer));
          void connection.closed.then(({ by, application }) => {
            if (by === 'peer' && application) daemon.service.left(DEVICE.nodeId, peer);
          });
        },
      },
    );
    return daemon;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  get port(): number {
    return this.#server.address.port;
  }

  /** Closes every connection, without a word about sessions. */
  cut(): void {
    for (const { connection } of this.#server.connections()) connection.close(0, 'cut');
  }

  stop(): void {
    this.service.close();
    void this.#server.stop();
  }

  /** The stream, with its registrations written down: the runtime is not told all that is in them. */
  #seen(stream: QuicStream): ByteStream {
    const decoder = new MessageDecoder();
    let isFirst = true;
    const note = (chunk: Buffer) => {
      if (!isFirst) return;
      try {
        decoder.push(chunk, (value) => {
          if (!isFirst) return;
          isFirst = false;
          const request = readRequest(value);
          if (request.method !== 'node.register') return;
          const { deviceId, bootId, storeId, facts } = request;
          this.registrations.push({
            deviceId,
            bootId,
            storeId,
            capabilities: facts.capabilities.map(({ name }) => name),
          });
        });
      } catch (error) {
        if (!(error instanceof PalyraError)) throw error;
      }
    };
    return {
      write: (bytes) => stream.write(bytes),
      end: (bytes) => stream.end(bytes),
      drained: () => stream.drained(),
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      stopSending: (code) => stream.stopSending(code),
      reset: (code) => stream.reset(code),
      setReader: (reader) =>
        stream.setReader({
          data: (chunk) => {
            note(chunk);
            reader.data(chunk);
          },
          end: () => reader.end(),
          failed: (error) => reader.failed(error),
        }),
    };
  }
}
