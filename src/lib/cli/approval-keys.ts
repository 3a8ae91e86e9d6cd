/** The keys `node.approvals."CAPABILITY".allow|timeout|wait`: one group for each capability, so they are not rows of the table of settings. */
const KEY = /^node\.approvals\.("?)([a-z0-9._-]+)\1\.(allow|timeout|wait)$/;

export interface ApprovalKey {
  readonly capability: string;
  readonly what: 'allow' | 'timeout' | 'wait';
}

export function parseApprovalKey(key: string): ApprovalKey | null {
  const match = KEY.exec(key);
  return match === null ? null : { capability: match[2]!, what: match[3] as ApprovalKey['what'] };
}

export function isApprovalKey(key: string): boolean {
  return parseApprovalKey(key) !== null;
}
