import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../../src/lib/base/clock.js';
import { PalyraError } from '../../../src/lib/base/errors.js';
import { silentLog } from '../../../src/lib/base/log.js';
import { systemRandom } from '../../../src/lib/base/random.js';
import { enroll, type EnrollStep } from '../../../src/lib/node/enroll.js';
import { SCHEMAS } from '../../../src/lib/wire/http/schemas.js';
import { fromServiceError } from '../../../src/lib/wire/grpc/status.js';
import { testAuthority } from '../../support/fake-daemon.js';
import { SplicedPairing, type Splice } from '../../support/spliced-pairing.js';
import { rejectsWith } from '../../support/rejects-with.js';
import { temporaryDirectory } from '../../support/temporary.js';
import { ask, startTestDaemon, type TestDaemon } from '../../support/test-daemon.js';

const FACTS = { hostname: 'pi', platform: 'linux', arch: 'arm64', version: '1.0.0', protocol: 1, capabilities: [] };

describe('pairing by PIN over the public port', function () {
  this.timeout(20_000);
  const home = temporaryDirectory();
  let target: TestDaemon;
  let stopped: AbortController;
  let spliced: SplicedPairing | null;

  before(async () => {
    target = await startTestDaemon();
  });
  beforeEach(() => {
    stopped = new AbortController();
    spliced = null;
  });
  afterEach(async () => {
    stopped.abort(new PalyraError('CANCELLED'));
    spliced?.stop();
    // The places of one source are few.
    for (const { id } of (await owner('GET', '/v1/approvals')).json.requests) {
      await owner('POST', `/v1/approvals/${id}/reject`, {});
    }
  });
  after(() => target.dispose());

  const owner = (method: string, path: string, json?: unknown) =>
    ask({ socketPath: target.socketPath }, { method, path, ...(json === undefined ? {} : { json }) });

  /** A machine that asks; its PIN once it shows one. */
  const asks = (port: number, name = 'pi') => {
    let show: (step: Extract<EnrollStep, { step: 'asking' }>) => void;
    const shown = new Promise<Extract<EnrollStep, { step: 'asking' }>>((resolve) => (show = resolve));
    const joined = enroll(
      {
        target: { kind: 'pin', host: '127.0.0.1', port },
        stateDirectory: join(home(), name),
        name,
        facts: FACTS,
        signal: stopped.signal,
        onStep: (step) => (step.step === 'asking' ? show(step) : undefined),
      },
      { clock: systemClock, random: systemRandom, log: silentLog },
    );
    joined.catch(() => undefined);
    return { joined, shown: Promise.race([shown, joined.then(() => assert.fail('joined without a PIN'))]) };
  };
  const splice = async (how: Splice) => {
    const identity = join(target.options.stateDirectory, 'identity');
    const caPem = await readFile(join(identity, 'ca.crt'), 'utf8');
    const serverPem = await readFile(join(identity, 'server.crt'), 'utf8');
    spliced = await SplicedPairing.start(testAuthority(), { caPem, serverPem, port: target.ports.public }, how);
    return spliced;
  };

  it('shows the daemon’s PIN on the machine, and lets it join when that is typed', async () => {
    const { joined, shown } = asks(target.ports.public, 'honest');
    const { requestId, pin } = await shown;
    const listed = await owner('GET', '/v1/approvals');
    SCHEMAS['approvals.list'].answer.parse(listed.json);
    assert.equal(listed.json.requests[0].id, requestId);
    assert.ok(!listed.text.includes(pin));
    const answer = await owner('POST', `/v1/approvals/${requestId}/approve`, { pin });
    assert.equal(answer.status, 200, answer.text);
    SCHEMAS['approvals.approve'].answer.parse(answer.json);
    assert.equal((await joined).name, 'honest');
    const again = await owner('POST', `/v1/approvals/${requestId}/approve`, {});
    assert.deepEqual([again.status, again.json.changed], [200, false]);
    const no = await owner('POST', `/v1/approvals/${requestId}/reject`, { reason: 'late' });
    assert.deepEqual([no.status, no.json.reason], [409, 'ALREADY_DECIDED']);
    const show = await owner('GET', `/v1/approvals/${requestId}`);
    SCHEMAS['approvals.show'].answer.parse(show.json);
    assert.equal(show.json.request.state, 'issued');
  });

  it('tells the machine who said no and why', async () => {
    const { joined, shown } = asks(target.ports.public, 'unwanted');
    const { requestId } = await shown;
    const answer = await owner('POST', `/v1/approvals/${requestId}/reject`, { reason: 'not ours' });
    SCHEMAS['approvals.reject'].answer.parse(answer.json);
    const error = await rejectsWith(joined, 'PAIRING_REJECTED');
    assert.match(error.message, /by .+: "not ours"/);
  });

  it('gives itself away to the person: a man in the middle makes two PINs, and the typed one is refused', async () => {
    const { port } = await splice({ key: 'own', commitment: 'own' });
    const { shown } = asks(port, 'victim');
    const { pin } = await shown;
    const answer = await owner('POST', `/v1/approvals/${spliced!.requestId}/approve`, { pin });
    assert.deepEqual([answer.status, answer.json.reason], [403, 'PIN_WRONG']);
    assert.deepEqual(answer.json.details, { triesLeft: 4 });
  });

  it('makes two PINs also when he passes every nonce on as it is', async () => {
    const { port } = await splice({ key: 'own', commitment: 'the daemon’s' });
    const { shown } = asks(port, 'relayed');
    const { pin } = await shown;
    const answer = await owner('POST', `/v1/approvals/${spliced!.requestId}/approve`, { pin });
    assert.equal(answer.json.reason, 'PIN_WRONG');
  });

  it('refuses the machine’s own proof from another connection, and leaves no request', async () => {
    const { port } = await splice({ key: 'the machine’s', commitment: 'the daemon’s' });
    const { joined } = asks(port, 'borrowed');
    await rejectsWith(joined, 'PAIRING_PROOF_INVALID');
    assert.equal(fromServiceError(spliced!.refusal).reason, 'PAIRING_PROOF_INVALID');
    assert.deepEqual((await owner('GET', '/v1/approvals')).json.requests, []);
  });

  it('makes the machine stop when he opens another nonce than he committed to', async () => {
    const { port } = await splice({ key: 'own', commitment: 'broken' });
    const { joined } = asks(port, 'cheated');
    const error = await rejectsWith(joined, 'PAIRING_PROOF_INVALID');
    assert.match(error.message, /did not keep its commitment/);
  });

  it('counts no try for what is no PIN', async () => {
    const { shown } = asks(target.ports.public, 'asker');
    const { requestId, pin } = await shown;
    for (const [body, reason] of [
      [{ pin: '12 34' }, 'PIN_MALFORMED'],
      [{ pin: 123_456 }, 'REQUEST_INVALID'],
      [{ yes: true }, 'REQUEST_INVALID'],
      [{}, 'PIN_REQUIRED'],
    ] as const) {
      const answer = await owner('POST', `/v1/approvals/${requestId}/approve`, body);
      assert.equal(answer.json.reason, reason);
    }
    const other = String((Number(pin) + 1) % 1_000_000).padStart(6, '0');
    const wrong = await owner('POST', `/v1/approvals/${requestId}/approve`, { pin: other });
    assert.deepEqual(wrong.json.details, { triesLeft: 4 });
  });
});
