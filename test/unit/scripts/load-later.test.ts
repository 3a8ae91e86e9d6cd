import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';

const script = '../../../scripts/lighter.mjs';
const { loadLater } = (await import(script)) as { loadLater: (text: string, file?: string) => string };

/** Runs what is left of a module of CommonJS and tells in which order it asked for others. */
function run(text: string): { exports: Record<string, unknown>; asked: string[] } {
  const asked: string[] = [];
  const exports: Record<string, unknown> = {};
  const require = (name: string) => {
    asked.push(name);
    return {
      __esModule: true,
      value: name,
      default: class {
        readonly name = name;
      },
      make: () => name,
    };
  };
  const __importDefault = (module: unknown) => module;
  const __importStar = __importDefault;
  runInNewContext(loadLater(text), { exports, require, __importDefault, __importStar });
  return { exports, asked };
}

describe('imports that are put off', () => {
  it('are asked for when they are first used, once', () => {
    const { exports, asked } = run(
      'const a_1 = require("./a");\nconst b_1 = __importDefault(require("b"));\nexports.both = () => [a_1.value, (0, a_1.make)(), b_1.value];',
    );
    assert.deepEqual(asked, []);
    const both = exports['both'] as () => unknown[];
    assert.deepEqual([...both()], ['./a', './a', 'b']);
    both();
    assert.deepEqual(asked, ['./a', 'b']);
  });

  it('make what a class of theirs makes', () => {
    const { exports } = run('const a_1 = __importDefault(require("a"));\nexports.made = new a_1.default(1);');
    assert.equal((exports['made'] as { name: string }).name, 'a');
  });

  it('are exported as they were', () => {
    const { exports, asked } = run(
      'var a_1 = require("a");\nObject.defineProperty(exports, "value", { enumerable: true, get: function () { return a_1.value; } });\n' +
        'exports.B = void 0;\nexports.B = __importStar(require("./b"));',
    );
    assert.deepEqual(Object.keys(exports).sort(), ['B', 'value']);
    assert.deepEqual(asked, []);
    assert.equal(exports['value'], 'a');
    assert.equal((exports['B'] as { value: string }).value, './b');
  });

  it('stop the build when they are used in a way that is not known', () => {
    assert.throws(
      () => loadLater('const a_1 = require("a");\nexports.all = [a_1];', 'x.js'),
      /x\.js uses a_1 in a way/,
    );
  });
});
