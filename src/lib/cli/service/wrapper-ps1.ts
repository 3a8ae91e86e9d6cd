/**
 * The wrapper for Windows as text, in the language of Windows PowerShell 5. It finds Node and palyra as the one for POSIX does, and starts palyra again
 * after a failure: the Task Scheduler does not look at exit codes. Exit codes 0 and 78 (a person must act) end it.
 */
import { describeRole } from './service-spec.js';
import { assertPlan, type WrapperPlan } from './wrapper-plan.js';

const RESTART_SECONDS = 5;

/** Throws CONFIG_INVALID for a path that cannot be quoted. */
export function powershellWrapper(plan: WrapperPlan, log: string): string {
  assertPlan(plan);
  return [
    `# Starts the ${describeRole(plan.role)}. Written by palyra ${plan.role} install, which writes it again; changes are lost.`,
    ...Object.entries(plan.environment).map(([name, value]) => `$env:${name} = ${quoted(value)}`),
    `$log = ${quoted(log)}`,
    'function Stop-ForGood([string] $why) {',
    '  Add-Content -LiteralPath $log -Value "palyra: $why"',
    '  exit 78',
    '}',
    'function Test-Node([string] $path) {',
    '  if (-not $path -or -not (Test-Path -LiteralPath $path -PathType Leaf)) { return $false }',
    `  & $path -e 'const [a, b] = process.versions.node.split(String.fromCharCode(46)).map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' *> $null`,
    '  return $LASTEXITCODE -eq 0',
    '}',
    '$nodes = @(',
    `  ${quoted(plan.node)}`,
    '  (Get-Command node.exe -ErrorAction SilentlyContinue | Select-Object -First 1 -ExpandProperty Source)',
    '  "$env:NVM_SYMLINK\\node.exe"',
    '  "$env:LOCALAPPDATA\\Volta\\bin\\node.exe"',
    '  "$env:ProgramFiles\\nodejs\\node.exe"',
    ') + @(Get-ChildItem "$env:APPDATA\\nvm\\v*\\node.exe", "$env:APPDATA\\fnm\\node-versions\\*\\installation\\node.exe" -ErrorAction SilentlyContinue | ForEach-Object FullName)',
    '$entries = @(',
    `  ${quoted(plan.entry)}`,
    '  "$env:APPDATA\\npm\\node_modules\\palyra\\bin\\run.js"',
    '  "$env:LOCALAPPDATA\\Volta\\tools\\image\\packages\\palyra\\node_modules\\palyra\\bin\\run.js"',
    '  "$env:ProgramFiles\\nodejs\\node_modules\\palyra\\bin\\run.js"',
    ') + @(Get-ChildItem "$env:APPDATA\\nvm\\v*\\node_modules\\palyra\\bin\\run.js" -ErrorAction SilentlyContinue | ForEach-Object FullName)',
    'while ($true) {',
    '  $node = $nodes | Where-Object { Test-Node $_ } | Select-Object -First 1',
    `  if (-not $node) { Stop-ForGood ${quoted(`no Node 20.19 or newer was found. It was at ${plan.node}. Install one, then: palyra ${plan.role} start`)} }`,
    '  $entry = $entries | Where-Object { $_ -and (Test-Path -LiteralPath $_ -PathType Leaf) } | Select-Object -First 1',
    `  if (-not $entry) { Stop-ForGood ${quoted(`palyra itself was not found. It was at ${plan.entry}. Install it (npm i -g palyra), then: palyra ${plan.role} install`)} }`,
    `  & $node $entry ${plan.words.map(quoted).join(' ')} 2>> $log`,
    '  if ($LASTEXITCODE -eq 0 -or $LASTEXITCODE -eq 78) { exit $LASTEXITCODE }',
    `  Start-Sleep -Seconds ${RESTART_SECONDS}`,
    '}',
    '',
  ].join('\r\n');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
