/** The project's own sources as data, for the architecture tests. Read as text with the TypeScript parser; nothing is run. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const PROJECT_ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const SOURCE_ROOT = join(PROJECT_ROOT, 'src');

/** Every TypeScript file under `src`, generated code left out. */
export function sourceFiles(): string[] {
  return readdirSync(SOURCE_ROOT, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /(?<!\.d)\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.includes('/generated/'))
    .sort();
}

export interface Import {
  readonly target: string;
  readonly typeOnly: boolean;
  readonly dynamic: boolean;
}

/** The text of a file. */
export function readSource(file: string): string {
  return readFileSync(file, 'utf8');
}

export function importsOf(file: string): Import[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, false);
  const imports: Import[] = [];
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
      const typeOnly = ts.isImportDeclaration(node)
        ? node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
        : node.isTypeOnly;
      imports.push({ target: (node.moduleSpecifier as ts.StringLiteral).text, typeOnly, dynamic: false });
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (argument !== undefined && ts.isStringLiteral(argument)) {
        imports.push({ target: argument.text, typeOnly: false, dynamic: true });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return imports;
}

/** `lib/wire/http/routes.ts` is in `wire/http`, `lib/daemon/grpc/x.ts` in `daemon`. */
export function folderOf(path: string): string {
  const [top, folder, sub] = path.split('/');
  if (top !== 'lib') return top!;
  return folder === 'wire' ? `wire/${sub}` : folder!;
}
