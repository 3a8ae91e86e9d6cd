/** The places of a QUIC port, for every order of arrivals, introductions and departures. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Admission, type AdmissionPlace } from '../../src/lib/quic/admission.js';

const LIMITS = {
  maxConnections: 8,
  maxHandshakes: 5,
  reservedShare: 0.25,
  maxPerDevice: 2,
  maxHandshakesPerSource: 3,
  retryTokenMs: 1,
};

describe('The places of a QUIC port, whatever happens', () => {
  it('are never more than the limits say, and are all given back', () => {
    const step = fc.record({
      act: fc.constantFrom('begin', 'establish', 'release'),
      which: fc.nat(30),
      device: fc.nat(5),
      known: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const admission = new Admission(LIMITS);
        let open: { place: AdmissionPlace; device: string | null; known: boolean }[] = [];
        const handshakes = () => open.filter(({ device }) => device === null);
        for (const { act, which, device, known } of steps) {
          const chosen = open[which % Math.max(1, open.length)];
          if (act === 'begin') {
            const source = `10.0.0.${which % 4}`;
            const same = handshakes().filter(({ place }) => place.source === source);
            const oldest = same.length >= 3 ? same[0] : handshakes().length >= 5 ? handshakes()[0] : undefined;
            const full = open.length - handshakes().length >= 8;
            let evicted: AdmissionPlace | undefined;
            const place = admission.begin(source, (gone) => (evicted = gone));
            assert.equal(evicted, full ? undefined : oldest?.place, 'the oldest gives way, and only when one must');
            open = open.filter((one) => one.place !== evicted);
            if (full) assert.equal(place, 'connection-limit');
            else if (typeof place === 'object') open.push({ place, device: null, known: false });
            else assert.fail(place);
          } else if (act === 'establish' && chosen?.device === null) {
            const established = open.length - handshakes().length;
            const refusal = admission.establish(chosen.place, { id: `d${device}`, known });
            if (refusal === null) {
              assert.ok(known || established < 6, 'a stranger got a reserved place');
              Object.assign(chosen, { device: `d${device}`, known });
            } else {
              admission.release(chosen.place);
              open = open.filter((one) => one !== chosen);
            }
          } else if (act === 'release' && chosen !== undefined) {
            admission.release(chosen.place);
            admission.release(chosen.place);
            open = open.filter((one) => one !== chosen);
          }
          assert.equal(admission.places, open.length);
          assert.equal(admission.handshaking, handshakes().length);
          assert.ok(admission.established <= 8 && admission.handshaking <= 5);
          for (let index = 0; index < 6; index++) {
            const mine = open.filter((one) => one.device === `d${index}`).length;
            assert.equal(admission.ofDevice(`d${index}`), mine);
            assert.ok(mine <= 2);
          }
          for (let index = 0; index < 4; index++) {
            const source = `10.0.0.${index}`;
            assert.ok(handshakes().filter(({ place }) => place.source === source).length <= 3);
          }
        }
        for (const { place } of open) admission.release(place);
        assert.deepEqual([admission.places, admission.handshaking], [0, 0]);
      }),
    );
  });
});
