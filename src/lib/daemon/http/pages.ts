/**
 * The pages the daemon shows to a browser that opened an invite or a request: what to type, and where. No script, nothing fetched, nothing reflected:
 * the same bytes whatever the code or the id is, so a preview or a scanner that opens one learns nothing and spends nothing.
 */
import { createHash } from 'node:crypto';

const STYLE = `
  body { margin: 0 auto; max-width: 34rem; padding: 2.5rem 1.25rem; font: 1.05rem/1.6 system-ui, sans-serif; color: #1c1c1e; background: #fdfdfc; }
  h1 { font-size: 1.4rem; margin: 0 0 1rem; }
  code { font: 0.95rem/1.5 ui-monospace, Menlo, Consolas, monospace; background: #ecece8; border-radius: 4px; padding: 0.15rem 0.4rem; }
  p.type code { display: block; padding: 0.8rem 1rem; overflow-wrap: anywhere; }
  p.note { color: #5c5c60; font-size: 0.95rem; }
  @media (prefers-color-scheme: dark) {
    body { color: #ececf0; background: #161618; }
    code { background: #2b2b30; }
    p.note { color: #a5a5ac; }
  }
`;

const JOIN = {
  title: 'Join this palyra fleet',
  content: `<h1>You have been invited to join a machine to a palyra fleet</h1>
<p>On the machine that should join, in a terminal, type this with the address of this page in place of <code>LINK</code>:</p>
<p class="type"><code>palyra node run LINK</code></p>
<p>The machine checks that it talks to the right daemon before it sends anything, then joins and stays connected while the command runs.</p>
<p class="note">Opening this page used nothing up. The link works once, until it expires, for whoever has it: do not pass it on.
palyra is not there yet? Install it with <code>npm install -g palyra</code>.</p>`,
};

const APPROVE = {
  title: 'Answer a palyra request',
  content: `<h1>A machine or a program asks to be let in</h1>
<p>On a machine that is logged in to this daemon, in a terminal, type this with the last part of the address of this page in place of <code>ID</code>:</p>
<p class="type"><code>palyra approvals approve ID</code></p>
<p>It shows who asks and from where, and takes the PIN on the screen of whoever asks. Type it only if you see that screen yourself, or talk to somebody who does.</p>
<p>To say no: <code>palyra approvals reject ID</code>. To see what waits: <code>palyra approvals list</code>.</p>
<p class="note">Opening this page answered nothing. It looks the same whether there is such a request or not.</p>`,
};

export interface Page {
  readonly body: string;
  /** The page's own policy: its style by hash and nothing else. */
  readonly contentSecurityPolicy: string;
}

export function createJoinPage(): Page {
  return toPage(JOIN);
}

export function createApprovePage(): Page {
  return toPage(APPROVE);
}

function toPage({ title, content }: { readonly title: string; readonly content: string }): Page {
  const hash = createHash('sha256').update(STYLE).digest('base64');
  return {
    body: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
${content}
</body>
</html>
`,
    contentSecurityPolicy: `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  };
}
