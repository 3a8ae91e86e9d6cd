import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { matchesSite, parseSitePattern, siteOf } from '../../src/lib/node/site-pattern.js';

/** Every character that means something to a URL, a regular expression or a glob. */
const label = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z0-9]$/);
const host = fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => labels.join('.'));
const wild = fc.string({ unit: fc.constantFrom(...'ab.*/:@?#\\%[]()|+^$-_~ \t'), maxLength: 24 });
const scheme = fc.constantFrom('http', 'https');

const urlOf = (text: string): URL | null => (URL.canParse(text) ? new URL(text) : null);

describe('patterns of sites', () => {
  it('fit what siteOf says of a URL, and only URLs of the same scheme, host and port', () => {
    fc.assert(
      fc.property(scheme, host, fc.constantFrom('', ':8443'), wild, scheme, host, (a, name, port, rest, b, other) => {
        const url = urlOf(`${a}://${name}${port}/${rest}`);
        if (url === null) return;
        const pattern = parseSitePattern(siteOf(url));
        assert.equal(matchesSite(pattern, url), true);
        const stranger = urlOf(`${b}://${other}/${rest}`)!;
        assert.equal(matchesSite(pattern, stranger), stranger.origin === url.origin);
      }),
    );
  });

  it('with a star fit names below the host, whatever else is in the URL', () => {
    fc.assert(
      fc.property(host, wild, (name, rest) => {
        const pattern = parseSitePattern(`https://*.${name}/*`);
        for (const text of [
          `https://evil.test/.${name}/`,
          `https://evil.test/?x=https://a.${name}/`,
          `https://evil.test/#a.${name}/`,
          `https://evil.test\\@a.${name}/`,
          `https://a.${name}.evil.test/`,
          `https://a${name}/`,
          `https://${name}/`,
          `https://user@a.${name}/`,
          `http://a.${name}/`,
          `https://a.${name}:8443/`,
          `https://${rest}/`,
          `https://evil.test/${rest}.${name}/${rest}`,
        ]) {
          const url = urlOf(text);
          if (url === null) continue;
          const isBelow = url.hostname.endsWith(`.${name}`) && url.origin === `https://${url.hostname}`;
          assert.equal(matchesSite(pattern, url), isBelow && url.username === '', text);
        }
        assert.equal(matchesSite(pattern, new URL(`https://a.b.${name}/x?y#z`)), true);
      }),
    );
  });

  it('are refused or mean what they say: no text is a rule for another host than the one in it', () => {
    fc.assert(
      fc.property(scheme, wild, host, (a, text, name) => {
        let pattern;
        try {
          pattern = parseSitePattern(`${a}://${text}`);
        } catch (error) {
          assert.equal((error as { reason?: string }).reason, 'INPUT_INVALID');
          return;
        }
        const url = new URL(`${a}://${name}/`);
        if (matchesSite(pattern, url)) assert.ok(name.endsWith(pattern.hostname), `${text} fits ${name}`);
      }),
      { numRuns: 2_000 },
    );
  });

  it('keep to a path when they have one, after dots are resolved', () => {
    const pattern = parseSitePattern('https://wiki.example/docs/*');
    for (const [text, fits] of [
      ['https://wiki.example/docs/', true],
      ['https://wiki.example/docs/a/b?x', true],
      ['https://wiki.example/docs', false],
      ['https://wiki.example/docsecret', false],
      ['https://wiki.example/docs/../admin', false],
      ['https://wiki.example/docs/%2e%2e/admin', false],
      ['https://WIKI.example:443/docs/x', true],
    ] as const) {
      assert.equal(matchesSite(pattern, new URL(text)), fits, text);
    }
    assert.equal(
      matchesSite(parseSitePattern('https://wiki.example/one'), new URL('https://wiki.example/one/two')),
      false,
    );
    assert.equal(
      matchesSite(parseSitePattern('https://bücher.example/*'), new URL('https://xn--bcher-kva.example/')),
      true,
    );
    for (const text of [
      '*',
      'https://*',
      'https://a.*.b/',
      'ftp://a/',
      'https://u:p@a/',
      'https://a/*/b*',
      'https://*.10.0.0.1/',
      'javascript:*',
    ]) {
      assert.throws(() => parseSitePattern(text), { reason: 'INPUT_INVALID' }, text);
    }
  });
});
