import assert from 'node:assert/strict';
import type { CheckResult } from '../../../../src/lib/cli/doctor/check.js';
import { doctorLines } from '../../../../src/lib/cli/doctor/doctor-report.js';

const check = (id: string, status: CheckResult['status'], detail: string, fix: string | null = null): CheckResult => ({
  ...{ id, status, detail, fix },
  docs: `https://example.com/${id}`,
});

describe('what doctor says', () => {
  const found = [
    check('a', 'skip', 'this machine is not paired'),
    check('b', 'pass', 'no proxy is set'),
    check('c', 'skip', 'this machine is not paired'),
    check('d', 'fail', 'the disk is full', 'make room'),
    check('e', 'skip', 'no node runs here'),
  ];

  it('is one line for each thing that matters here, and one for each reason why others do not', () => {
    assert.deepEqual(doctorLines(found, false), [
      '✓ ok   no proxy is set',
      '✗ fail the disk is full   → make room',
      '- skip 2 checks: this machine is not paired',
      '- skip 1 check: no node runs here',
    ]);
  });

  it('is every check in its order when all is asked for', () => {
    assert.equal(doctorLines(found, true).length, found.length);
    assert.equal(doctorLines(found, true)[2], '- skip this machine is not paired');
  });
});
