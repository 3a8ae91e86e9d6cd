/**
 * For suites whose steps stand on each other: after the first that fails, the rest of the suite is not tried.
 * Mocha's own `bail` skips such a suite also when a test of any other suite failed before it, which hides what is well.
 * Call it inside `describe`, before any test.
 */
export function stepByStep(suite: Mocha.Suite): void {
  let failed = false;
  suite.beforeEach('the steps before succeeded', function () {
    if (failed) this.skip();
  });
  suite.afterEach('remember a failed step', function () {
    if (this.currentTest?.state === 'failed') failed = true;
  });
}
