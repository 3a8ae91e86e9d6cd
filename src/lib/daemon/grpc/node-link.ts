/**
 * One `StreamNodeEvents` call as a link of the runtime: order, back-pressure and endings. What the messages mean is the runtime's business.
 *
 *   waiting ──hello──► opening ──welcome sent──► open ──► ended
 *      └── 10 s ─────────────┴── bad message, slow reader, close ──┘
 *
 * Invariants: the first message up is `node_started`; nothing is read while the session opens; `closed` is told to the session once, and
 * only when it was the node's side or the connection that ended it.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Clock } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { DownMessage, Hello, UpMessage } from '../../base/link-messages.js';
import type { LinkSession, LinkSink } from '../../runtime/runtime.js';
import { approximateBytes, closeError, HARD_OUTBOUND_BYTES, type CloseReason } from '../link-carrier.js';
import { fromDownMessage, toUpMessage } from '../../wire/grpc/convert.js';
import type { DaemonMessage, NodeEvent } from '../../wire/grpc/generated/palyra/node/v1/node.js';

/** A node says hello in its first packet. */
export const HELLO_TIMEOUT_MS = 10_000;
/** Unsent bytes above which a node counts as not reading; it has `STALL_MS` to get below again. */
export const SOFT_OUTBOUND_BYTES = 1024 * 1024;
export const STALL_MS = 5000;

export type NodeCall = ServerDuplexStream<NodeEvent, DaemonMessage>;

export interface NodeLinkDeps {
  readonly clock: Clock;
  /** Opens the session with the runtime, which answers through the sink. */
  open(hello: Hello, sink: LinkSink): Promise<LinkSession>;
  /** Ends the call with the status of an error. */
  fail(error: unknown): void;
  /** Destroys the connection under the call: for a peer that does not read. */
  destroy(): void;
  onEnded(): void;
}

export class NodeLink implements LinkSink {
  readonly transport = 'grpc';
  readonly #deps: NodeLinkDeps;
  readonly #call: NodeCall;
  readonly #deviceId: string;
  #state: 'waiting' | 'opening' | 'open' | 'ended' = 'waiting';
  #session: LinkSession | null = null;
  #saidStopping = false;
  #outboundBytes = 0;
  #cancelHello: () => void;
  #cancelStall: (() => void) | null = null;

  constructor(deps: NodeLinkDeps, call: NodeCall, deviceId: string) {
    this.#deps = deps;
    this.#call = call;
    this.#deviceId = deviceId;
    this.#cancelHello = deps.clock.schedule(HELLO_TIMEOUT_MS, () =>
      this.#fail(new PalyraError('MESSAGE_INVALID', { detail: 'no node_started came within 10 s' })),
    );
    call.on('data', (event: NodeEvent) => this.#receive(event));
    call.once('end', () => this.#onPeerEnd());
    call.once('cancelled', () => this.#onLost());
    call.once('close', () => this.#onLost());
  }

  /** Queues a message. A node that does not read is cut off rather than remembered. */
  send(message: DownMessage): void {
    if (this.#state === 'ended') return;
    const bytes = approximateBytes(message);
    this.#outboundBytes += bytes;
    this.#call.write(fromDownMessage(message), () => {
      this.#outboundBytes -= bytes;
      if (this.#outboundBytes <= SOFT_OUTBOUND_BYTES) this.#clearStall();
    });
    if (this.#outboundBytes > HARD_OUTBOUND_BYTES) this.#onSlowReader();
    else if (this.#outboundBytes > SOFT_OUTBOUND_BYTES) {
      this.#cancelStall ??= this.#deps.clock.schedule(STALL_MS, () => this.#onSlowReader());
    }
  }

  /** The runtime is done with this link; the session is not told again. */
  close(reason: CloseReason): void {
    if (!this.#finish()) return;
    const error = closeError(reason);
    if (error === null) this.#call.end();
    else this.#deps.fail(error);
  }

  #receive(event: NodeEvent): void {
    if (this.#state === 'ended') return;
    let message: UpMessage;
    try {
      message = toUpMessage(event);
      if (this.#state === 'waiting') {
        void this.#open(message, event.event?.$case === 'nodeStarted' ? event.event.nodeStarted.deviceId : '');
        return;
      }
      if (message.kind === 'hello') throw new PalyraError('MESSAGE_INVALID', { detail: 'node_started came twice' });
      if (message.kind === 'stopping') this.#saidStopping = true;
      this.#session?.receive(message);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #open(message: UpMessage, deviceId: string): Promise<void> {
    this.#state = 'opening';
    this.#cancelHello();
    this.#call.pause();
    try {
      if (message.kind !== 'hello')
        throw new PalyraError('MESSAGE_INVALID', { detail: 'the first message must be node_started' });
      if (deviceId !== '' && deviceId !== this.#deviceId) throw new PalyraError('DEVICE_MISMATCH');
      const session = await this.#deps.open(message, this);
      if (this.#isEnded()) {
        session.closed('lost');
        return;
      }
      this.#session = session;
      this.#state = 'open';
      this.#call.resume();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The state may have changed while something was awaited. */
  #isEnded(): boolean {
    return this.#state === 'ended';
  }

  #onPeerEnd(): void {
    if (!this.#finish()) return;
    this.#session?.closed(this.#saidStopping ? 'stopped' : 'lost');
    this.#call.end();
  }

  #onLost(): void {
    if (this.#finish()) this.#session?.closed(this.#saidStopping ? 'stopped' : 'lost');
  }

  #onSlowReader(): void {
    this.#fail(new PalyraError('RATE_LIMITED', { detail: 'the node does not read what it is sent' }));
    // It would not read the status either.
    this.#deps.destroy();
  }

  #fail(error: unknown): void {
    if (!this.#finish()) return;
    this.#session?.closed('lost');
    this.#deps.fail(error);
  }

  /** True the first time. */
  #finish(): boolean {
    if (this.#state === 'ended') return false;
    this.#state = 'ended';
    this.#cancelHello();
    this.#clearStall();
    this.#deps.onEnded();
    return true;
  }

  #clearStall(): void {
    this.#cancelStall?.();
    this.#cancelStall = null;
  }
}
