/** The places of a QUIC port, for every order of arrivals, introductions and departures. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Admission, type AdmissionPlace } from '../../src/lib/quic/admission.js';

const LIMITS = { maxConnections: 8, reservedShare: 0.25, maxPerDevice: 2, maxHandshakesPerSource: 3, retryTokenMs: 1 };

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
        for (const { act, which, device, known } of steps) {
          const chosen = open[which % Math.max(1, open.length)];
          if (act === 'begin') {
            const place = admission.begin(`10.0.0.${which % 4}`);
            if (typeof place === 'object') open.push({ place, device: null, known: false });
          } else if (act === 'establish' && chosen?.place.handshaking === true) {
            const strangers = open.length;
            const refusal = admission.establish(chosen.place, { id: `d${device}`, known });
            if (refusal === null) {
              assert.ok(known || strangers <= 6, 'a stranger got a reserved place');
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
          assert.equal(admission.handshaking, open.filter(({ place }) => place.handshaking).length);
          assert.ok(open.length <= 8);
          for (let index = 0; index < 6; index++) {
            const mine = open.filter((one) => one.device === `d${index}`).length;
            assert.equal(admission.ofDevice(`d${index}`), mine);
            assert.ok(mine <= 2);
          }
          for (let index = 0; index < 4; index++) {
            const source = `10.0.0.${index}`;
            assert.ok(open.filter(({ place }) => place.handshaking && place.source === source).length <= 3);
          }
        }
        for (const { place } of open) admission.release(place);
        assert.deepEqual([admission.places, admission.handshaking], [0, 0]);
      }),
    );
  });
});
