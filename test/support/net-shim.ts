/**
 * A network between a node and its daemon that can be made bad: TCP and UDP on one port number, passed on to one target.
 *
 * A direction that is dark passes nothing. Over TCP that holds the bytes, as lost packets that are sent again do, and hides that an end has closed; over UDP it
 * loses them. When it is light again what was held goes on, and who has lost the other end is told.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { freePorts } from './free-ports.js';
import { UdpProxy } from './udp-proxy.js';

export type Direction = 'up' | 'down';

interface Pair {
  /** The node's end, and the daemon's. */
  readonly near: Socket;
  readonly far: Socket;
  /** Nobody tells this end that the other one is gone. */
  orphan: boolean;
  /** Came in time and is to be passed on late. */
  late: Buffer[];
}

export class NetShim {
  /** What comes down over TCP is passed on so much later: there is time to lose it. */
  delayDownMs = 0;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #dark = { up: false, down: false };
  #udp: UdpProxy | null = null;

  private constructor(targetPort: number) {
    this.#server = createServer((near) => {
      const pair: Pair = { near, far: connect(targetPort, '127.0.0.1'), orphan: false, late: [] };
      this.#pairs.add(pair);
      near.on('data', (bytes) => pair.far.write(bytes));
      pair.far.on('data', (bytes) => this.#down(pair, bytes));
      for (const [end, way] of [
        [near, 'up'],
        [pair.far, 'down'],
      ] as const) {
        end.on('error', () => undefined);
        end.once('close', () => this.#closed(pair, way));
      }
      this.#flow(pair);
    });
  }

  static async start(targetPort: number, options: { readonly host?: string; readonly port?: number } = {}) {
    const shim = new NetShim(targetPort);
    const host = options.host ?? '127.0.0.1';
    const port = options.port ?? (await freePorts(1))[0];
    await new Promise<void>((resolve, reject) => {
      shim.#server.once('error', reject);
      shim.#server.listen(port, host, resolve);
    });
    shim.#udp = await UdpProxy.start(targetPort, { port: shim.port, host });
    return shim;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** TCP connections with both ends. */
  get live(): number {
    return [...this.#pairs].filter(({ near, far }) => !near.destroyed && !far.destroyed).length;
  }

  /** For the message of a failure: what each end of each connection is. */
  get connections(): string {
    const state = ({ destroyed, readyState }: Socket) => (destroyed ? 'gone' : readyState);
    return [...this.#pairs]
      .map(({ near, far, orphan }) => `${state(near)}-${state(far)}${orphan ? '!' : ''}`)
      .join(' ');
  }

  dark(...ways: readonly Direction[]): void {
    for (const way of ways) this.#dark[way] = true;
    this.#turn();
  }

  light(): void {
    this.#dark.up = false;
    this.#dark.down = false;
    this.#turn();
    for (const pair of this.#pairs) {
      if (!pair.orphan && (pair.near.destroyed || pair.far.destroyed)) this.#end(pair);
    }
  }

  /** Both ends are told. */
  cut(): void {
    for (const pair of this.#pairs) this.#end(pair);
  }

  /** The daemon's ends are closed, the node's stand and hear nothing more. Over UDP the address of the node changes. */
  halfOpen(): void {
    for (const pair of this.#pairs) {
      pair.orphan = true;
      pair.far.destroy();
    }
    this.#udp!.rebind();
  }

  close(): void {
    this.#server.close();
    this.cut();
    this.#udp?.close();
  }

  #turn(): void {
    const { quality } = this.#udp!;
    quality.darkUp = this.#dark.up;
    quality.darkDown = this.#dark.down;
    for (const pair of this.#pairs) this.#flow(pair);
  }

  #flow(pair: Pair): void {
    const { near, far } = pair;
    if (this.#dark.up) near.pause();
    else near.resume();
    if (this.#dark.down) far.pause();
    else far.resume();
    this.#passOn(pair);
  }

  #down(pair: Pair, bytes: Buffer): void {
    pair.late.push(bytes);
    if (this.delayDownMs === 0) this.#passOn(pair);
    else setTimeout(() => this.#passOn(pair, 1), this.delayDownMs).unref();
  }

  /** In the dark, or when the node is not told any more, nothing. */
  #passOn({ near, late, orphan }: Pair, chunks = late.length): void {
    if (this.#dark.down || orphan) return;
    for (const bytes of late.splice(0, chunks)) near.write(bytes);
  }

  #closed(pair: Pair, way: Direction): void {
    if (pair.near.destroyed && pair.far.destroyed) this.#pairs.delete(pair);
    else if (!this.#dark[way] && !pair.orphan) this.#end(pair);
  }

  #end(pair: Pair): void {
    pair.near.destroy();
    pair.far.destroy();
    this.#pairs.delete(pair);
  }
}
