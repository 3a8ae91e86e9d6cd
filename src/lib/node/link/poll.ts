/**
 * The node link over unary gRPC calls, for networks that cut long streams: `RegisterNode`, then `PollCapability` again and again, `CompleteCapability` for
 * large results. Mutual TLS with this device's certificate.
 *
 * One call waits at the daemon for messages; an event is sent by a second one, which then waits instead of the first. A call that fails is repeated with
 * the same numbers (`poll-window.ts`), over a new connection if need be, for `OUTAGE_MS`; after that the link has ended.
 */
import { Metadata } from '@grpc/grpc-js';

import type { Clock } from '../../base/clock.js';
import { isReason, PalyraError } from '../../base/errors.js';
import type { DownMessage, Hello, UpMessage } from '../../base/link-messages.js';
import { fullJitterDelayMs, type Random } from '../../base/random.js';
import { isUnreachable } from '../../base/unreachable.js';
import {
  NodeServiceClient,
  type CompleteCapabilityRequest,
  type CompleteCapabilityResponse,
  type LinkEnd,
  type PollCapabilityRequest,
  type PollCapabilityResponse,
} from '../../wire/grpc/generated/palyra/node/v1/node.js';
import { unaryCall, type DaemonChannel } from './channel.js';
import type { Connector } from './connector.js';
import type { LinkConnector, LinkHandlers, LinkStream, NodeLink, Registered, Registration } from './link.js';
import { PollWindow } from './poll-window.js';
import { registerOver } from './register.js';
import type { StreamLinkMaterial } from './stream.js';

/** How long calls may fail before the link has ended. Longer would only hide the outage: a new link loses nothing. */
export const OUTAGE_MS = 5_000;
/** Below the minute after which idle requests are cut in most places. Halved when a waiting call is cut, down to the second. */
const MAX_WAIT_MS = 25_000;
const MIN_WAIT_MS = 1_000;
/** For an answer, beyond the time it was allowed to wait. */
const ANSWER_MS = 10_000;
/** For an answer to the first calls after one that failed; a path on which not even that comes back is dark. */
export const RETRY_ANSWER_MS = 2_500;
/** For the goodbye of a link that is destroyed; its socket lives no longer than that. */
const LEAVE_MS = 1_000;
/** A deadline is kept by another clock than ours. */
const EARLY_MS = 100;
const RETRY = { baseMs: 100, capMs: 1_000, floorMs: 20 };
/** One that waits, one that carries. */
const MAX_POLLS = 2;

const RECONNECTING = {
  // The link decides when to try again; the channel must not refuse to.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 500,
};

export interface PollLinkDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly connector: Connector;
}

export function pollLinks(material: StreamLinkMaterial, deps: PollLinkDeps): LinkConnector {
  const { certificatePem, keyPem, trustBundle } = material;
  const trust = { trustBundle, client: { certificatePem, keyPem } };
  return (endpoint) => new PollLink(deps.connector.channel(endpoint, trust), deps);
}

class PollLink implements NodeLink {
  readonly endpoint: string;
  readonly #channel: DaemonChannel;
  readonly #client: NodeServiceClient;
  readonly #deps: PollLinkDeps;
  #session: PolledSession | null = null;
  #destroyed = false;

  constructor(channel: DaemonChannel, deps: PollLinkDeps) {
    this.endpoint = channel.endpoint;
    this.#channel = channel;
    this.#client = new NodeServiceClient(channel.target, channel.credentials, { ...channel.options, ...RECONNECTING });
    this.#deps = deps;
  }

  register(registration: Registration, signal: AbortSignal): Promise<Registered> {
    return registerOver(this.#client, this.#channel, registration, signal);
  }

  open(hello: Hello, handlers: LinkHandlers): LinkStream {
    this.#session = new PolledSession({ ...this.#deps, client: this.#client, channel: this.#channel }, handlers);
    this.#session.send(hello);
    return this.#session;
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    if (this.#session === null) this.#client.close();
    else this.#session.leave(() => this.#client.close());
  }
}

class PolledSession implements LinkStream {
  readonly #deps: PollLinkDeps & { readonly client: NodeServiceClient; readonly channel: DaemonChannel };
  readonly #handlers: LinkHandlers;
  readonly #sessionId: string;
  readonly #window = new PollWindow();
  readonly #calls = new AbortController();
  #polls = 0;
  /** The large result that others must not overtake. */
  #large = 0;
  #pumpQueued = false;
  #finish: 'no' | 'asked' | 'sent' = 'no';
  #ended = false;
  #failingSince: number | null = null;
  #failures = 0;
  #cancelRetry: (() => void) | null = null;
  #waitMs = MAX_WAIT_MS;

  constructor(
    deps: PollLinkDeps & { readonly client: NodeServiceClient; readonly channel: DaemonChannel },
    handlers: LinkHandlers,
  ) {
    this.#deps = deps;
    this.#handlers = handlers;
    this.#sessionId = deps.random.bytes(16).toString('base64url');
  }

  get congested(): boolean {
    return this.#window.congested;
  }

  send(message: UpMessage): void {
    if (this.#ended || this.#finish !== 'no') return;
    this.#window.push(message);
    this.#queuePump();
  }

  finish(): void {
    if (this.#finish !== 'no') return;
    this.#finish = 'asked';
    this.#queuePump();
  }

  /** Ends it without another word to the handlers, tells the daemon if it can be told at once, then calls `done`. */
  leave(done: () => void): void {
    const told = this.#ended;
    this.#stop();
    if (told) {
      done();
      return;
    }
    const request = { ...this.#emptyPoll(), waitMs: 0, leave: true };
    this.#deps.client.pollCapability(request, new Metadata(), { deadline: this.#deps.clock.now() + LEAVE_MS }, done);
  }

  /** What is sent in one turn of the event loop leaves in one call. */
  #queuePump(): void {
    if (this.#pumpQueued) return;
    this.#pumpQueued = true;
    setImmediate(() => {
      this.#pumpQueued = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#ended || this.#cancelRetry !== null) return;
    if (this.#large <= this.#window.acknowledged && this.#polls < MAX_POLLS) {
      const large = this.#window.takeLarge();
      if (large !== null) void this.#complete({ sessionId: this.#sessionId, ...large });
      else if (this.#window.hasUnsent || this.#finish === 'asked') void this.#poll(this.#nextPoll());
    }
    if (this.#polls === 0) void this.#poll(this.#emptyPoll());
  }

  #nextPoll(): PollCapabilityRequest {
    const batch = this.#window.takeBatch();
    const finish = this.#finish === 'asked' && !this.#window.hasUnsent;
    if (finish) this.#finish = 'sent';
    return { ...this.#emptyPoll(), ...batch, finish };
  }

  /** Carries no event; its number is one that the daemon cannot miss anything before. */
  #emptyPoll(): PollCapabilityRequest {
    return {
      sessionId: this.#sessionId,
      firstSeq: this.#window.acknowledged + 1,
      events: [],
      ack: this.#window.have,
      // After a failure one that does not wait: it shows whether calls get through, however soon they are cut.
      waitMs: this.#failingSince === null ? this.#waitMs : 0,
      finish: false,
      leave: false,
    };
  }

  async #poll(request: PollCapabilityRequest): Promise<void> {
    const { client, channel, clock } = this.#deps;
    const startedAt = clock.monotonic();
    const again = this.#failingSince !== null;
    const deadline = clock.now() + (again ? RETRY_ANSWER_MS : request.waitMs + ANSWER_MS);
    this.#polls += 1;
    try {
      const answer = await unaryCall<PollCapabilityResponse>(channel, this.#calls.signal, (callback) =>
        client.pollCapability(request, new Metadata(), { deadline }, callback),
      ).finally(() => (this.#polls -= 1));
      this.#answered(answer.ack, request.firstSeq + request.events.length - 1);
      this.#receive(answer);
    } catch (error) {
      const waitedMs = clock.monotonic() - startedAt;
      if (waitedMs > MIN_WAIT_MS)
        this.#waitMs = Math.max(MIN_WAIT_MS, Math.min(this.#waitMs, Math.round(waitedMs / 2)));
      this.#failed(error, again && waitedMs >= RETRY_ANSWER_MS - EARLY_MS);
    }
    this.#pump();
  }

  /** The outcome comes as a message too; what counts here is that the daemon has the event, before others follow it. */
  async #complete(request: CompleteCapabilityRequest): Promise<void> {
    const { client, channel, clock } = this.#deps;
    const deadline = clock.now() + MAX_WAIT_MS + 2 * ANSWER_MS;
    this.#large = request.seq;
    try {
      const answer = await unaryCall<CompleteCapabilityResponse>(channel, this.#calls.signal, (callback) =>
        client.completeCapability(request, new Metadata(), { deadline }, callback),
      );
      this.#answered(answer.ack, request.seq);
    } catch (error) {
      this.#failed(error);
    }
    this.#pump();
  }

  #answered(ack: number, last: number): void {
    this.#failingSince = null;
    this.#failures = 0;
    this.#window.acknowledge(ack, last);
    if (this.#window.sent < this.#large) this.#large = 0;
  }

  #receive({ firstSeq, messages, end }: PollCapabilityResponse): void {
    if (this.#ended) return;
    for (const message of this.#window.receive(firstSeq, messages)) this.#deliver(message);
    if (end !== undefined) this.#end(errorOf(end));
  }

  /** A handler may end the link. */
  #deliver(message: DownMessage): void {
    if (!this.#ended) this.#handlers.message(message);
  }

  /** `dark`: it was tried again, and nothing came back. */
  #failed(cause: unknown, dark = false): void {
    if (this.#ended) return;
    const error = PalyraError.from(cause);
    const { clock, random } = this.#deps;
    this.#failingSince ??= clock.monotonic();
    const passing = isUnreachable(error) || error.reason === 'CANCELLED';
    if (!passing || dark || clock.monotonic() - this.#failingSince > OUTAGE_MS) {
      this.#end(error);
      return;
    }
    this.#window.rewind();
    this.#large = 0;
    if (this.#finish === 'sent') this.#finish = 'asked';
    if (this.#cancelRetry !== null) return;
    this.#cancelRetry = clock.schedule(fullJitterDelayMs(this.#failures++, random, RETRY), () => {
      this.#cancelRetry = null;
      this.#pump();
    });
  }

  #end(error: PalyraError | null): void {
    if (this.#ended) return;
    this.#stop();
    this.#handlers.ended(error);
  }

  #stop(): void {
    this.#ended = true;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#calls.abort();
  }
}

function errorOf({ reason, detail }: LinkEnd): PalyraError | null {
  if (reason === '') return null;
  return new PalyraError(isReason(reason) ? reason : 'INTERNAL', detail === '' ? {} : { detail });
}
