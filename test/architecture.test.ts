/** The rules that hold for all of src: arrows between the layers, browser-safety, and the ways of writing we avoid. */
import { describe, expect, it } from 'vitest'
import { codeOnly, filesBelow, importsOf, readText } from './support/sources.ts'

const SOURCES = filesBelow('src').filter((path) => /\.tsx?$/.test(path))

const BASE = ['errors', 'bytes', 'crypto']
const CORE = [...BASE, 'merkle', 'formats', 'tiles']
const STORAGE = ['storage port', 'durable file', 'storage adapter']
const JOBS = [
  'log',
  'witness',
  'monitor',
  'gossip',
  'audit',
  'vault',
  'search',
  'records',
  'completeness',
]

/** What each layer may import beside itself. Type-only imports count. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  typebox: [],
  bytes: ['errors'],
  crypto: ['errors', 'bytes'],
  merkle: BASE,
  formats: [...BASE, 'merkle'],
  tiles: [...BASE, 'merkle', 'formats'],
  'storage port': [...BASE, 'merkle', 'formats'],
  'durable file': [],
  'storage adapter': [...BASE, 'merkle', 'formats', 'storage port', 'durable file'],
  client: CORE,
  log: [...CORE, 'storage port', 'durable file'],
  witness: [...CORE, 'storage port', 'client'],
  monitor: [...CORE, 'storage port', 'client', 'typebox'],
  gossip: [...CORE, 'storage port', 'durable file', 'client'],
  audit: [...CORE, 'storage port', 'client'],
  vault: [...CORE, 'storage port', 'durable file'],
  search: [...CORE, 'storage port'],
  records: [...CORE, 'storage port', 'log', 'vault', 'search'],
  completeness: [...CORE, 'storage port', 'log', 'client'],
  reports: [...CORE, 'client'],
  compliance: [
    ...CORE,
    'storage port',
    'log',
    'vault',
    'search',
    'records',
    'completeness',
    'reports',
    'client',
  ],
  http: [...CORE, ...JOBS, 'reports', 'compliance', 'web', 'typebox'],
  server: [...CORE, ...STORAGE, 'client', ...JOBS, 'reports', 'compliance', 'http', 'typebox'],
  cli: [...CORE, ...STORAGE, 'client', ...JOBS, 'reports', 'compliance', 'http', 'server'],
  web: [...CORE, 'client', 'reports'],
  'entry verify': [...CORE, 'client'],
  'entry client': [...CORE, 'client'],
  'entry time-stamp': [...CORE, 'client'],
  'entry evidence': [...CORE, 'client'],
  'entry verify-file': [...CORE, 'client'],
  'entry browser': [...CORE, 'client', 'entry verify', 'entry verify-file'],
  'entry server': [...CORE, ...STORAGE, 'client', ...JOBS, 'compliance', 'http', 'server'],
}

/** The package's `#…` imports and the layer that is behind each. */
const INTERNAL_IMPORTS: Readonly<Record<string, string>> = {
  '#sha256': 'crypto',
  '#ed25519': 'crypto',
  '#ml-dsa': 'crypto',
  '#ml-dsa-worker': 'crypto',
  '#publication-signer': 'log',
}

/** Files of the storage folder that adapters share and others may use; all others belong to adapters. */
const STORAGE_FILES: Readonly<Record<string, string>> = {
  'port.ts': 'storage port',
  'witness-port.ts': 'storage port',
  'monitor-port.ts': 'storage port',
  'index-port.ts': 'storage port',
  'vault-port.ts': 'storage port',
  'heads-port.ts': 'storage port',
  'shared-port.ts': 'storage port',
  'object-port.ts': 'storage port',
  'token-port.ts': 'storage port',
  'durable-file.ts': 'durable file',
  'make-directory.ts': 'durable file',
}

const ENTRIES = ['verify', 'verify-file', 'client', 'time-stamp', 'evidence', 'server']
/** What a storage adapter's files are called: `level.ts`, `level-keys.ts`. All others of the folder are shared. */
const ADAPTERS = ['level', 'postgres', 's3']

function layerOf(path: string): string {
  const [folder = '', file = ''] = path.replace(/^src\//, '').split('/')
  if (folder === 'storage') return STORAGE_FILES[file] ?? 'storage adapter'
  if (folder === 'browser') return 'entry browser'
  const name = folder.replace(/\.ts$/, '')
  return file === '' && ENTRIES.includes(name) ? `entry ${name}` : name
}

function adapterOf(path: string): string | undefined {
  const file = path.replace(/^src\/storage\//, '')
  return ADAPTERS.find((name) => file === `${name}.ts` || file.startsWith(`${name}-`))
}

/** What is wrong with the imports of a file, a line each. */
function wrongImports(path: string, code: string): string[] {
  const layer = layerOf(path)
  const allowed = LAYERS[layer]
  if (allowed === undefined) return [`${path}: there is no layer called ${layer}`]
  return importsOf(path, code).flatMap((target) => {
    const internal = INTERNAL_IMPORTS[target]
    if (internal === undefined && !/^(src|test|bench|\.\.)(\/|$)/.test(target)) return []
    const theirs = internal ?? (target.startsWith('src/') ? layerOf(target) : target)
    if (theirs === layer) {
      const [mine, other] = [adapterOf(path), adapterOf(target)]
      const crossing = layer === 'storage adapter' && other !== undefined && mine !== other
      return crossing ? [`${path}: imports another adapter, ${target}`] : []
    }
    return allowed.includes(theirs) ? [] : [`${path}: ${layer} must not import ${theirs}`]
  })
}

describe('the layers', () => {
  it('have arrows that only point down', () => {
    expect(SOURCES.flatMap((path) => wrongImports(path, readText(path)))).toEqual([])
  })

  it('form no cycle', () => {
    const seen = new Set<string>()
    const reach = (layer: string, from: readonly string[]): void => {
      expect(from, `a cycle: ${[...from, layer].join(' → ')}`).not.toContain(layer)
      if (seen.has(layer)) return
      for (const next of LAYERS[layer]!) reach(next, [...from, layer])
      seen.add(layer)
    }
    for (const layer of Object.keys(LAYERS)) reach(layer, [])
  })

  it.each([
    ['src/merkle/hash.ts', `import { a } from '../formats/note.ts'`],
    ['src/merkle/hash.ts', `import type { A } from '../formats/note.ts'`],
    ['src/merkle/hash.ts', `export { a } from '../formats/note.ts'`],
    ['src/log/log.ts', `import { openLevelStore } from '../storage/level.ts'`],
    ['src/log/log.ts', `const store = await import('../storage/level.ts')`],
    ['src/client/request.ts', `import '../http/app.ts'`],
    ['src/http/app.ts', `import { openLevelStore } from '../storage/level.ts'`],
    ['src/storage/s3.ts', `import { keys } from './level-keys.ts'`],
    ['src/storage/durable-file.ts', `import { keys } from './level-keys.ts'`],
    ['src/server/serve.ts', `import { note } from '../cli/command.ts'`],
    ['src/cli/append.ts', `import { newKeys } from '../../test/support/test-log.ts'`],
    ['src/errors.ts', `import { utf8 } from './bytes.ts'`],
    ['src/client/request.ts', `import '#publication-signer'`],
  ])('would refuse in %s: %s', (path, code) => {
    expect(wrongImports(path, code)).toHaveLength(1)
  })
})

const BROWSER_SAFE = SOURCES.filter((path) =>
  /^src\/((merkle|formats|tiles|client|reports|web\/verifier)\/|(verify|client|time-stamp|evidence|bytes|errors)\.ts$|crypto\/.*-web\.ts$)/.test(
    path,
  ),
)

/** What a file uses that only Node has. */
function nodeOnly(path: string, code: string): string[] {
  const modules = importsOf(path, code).filter((target) => target.startsWith('node:'))
  const globals = codeOnly(code).match(
    /(?<![.\w$])(Buffer|process|require|__dirname|setImmediate|global)\b(?!\s*[?]?:)/g,
  )
  return [...modules, ...(globals ?? [])].map((name) => `${path}: uses ${name}`)
}

describe('browser-safe code', () => {
  it('uses nothing that only Node has', () => {
    expect(BROWSER_SAFE.length).toBeGreaterThan(40)
    expect(BROWSER_SAFE.flatMap((path) => nodeOnly(path, readText(path)))).toEqual([])
  })

  it('is told apart from comments, strings and regular expressions', () => {
    const code = [
      `// the process, 'quoted`,
      `const a = 'Buffer // process'`,
      'const b = `process "x`',
      `const c = text.replace(/[\\/'"\`]/g, '') /* Buffer */`,
      `const d = [/'/, a / b / c]`,
      `const e = "'" + (1 / 2) // "process`,
    ].join('\n')
    expect(nodeOnly('src/merkle/hash.ts', code)).toEqual([])
    expect(nodeOnly('src/merkle/hash.ts', `${code}\nprocess.exit()`)).toHaveLength(1)
  })

  it.each([
    `import { createHash } from 'node:crypto'`,
    `import type { Server } from 'node:http'`,
    `const text = Buffer.from(bytes).toString()`,
    `if (process.env.DEBUG) log()`,
  ])('may not say %s', (code) => {
    expect(nodeOnly('src/merkle/hash.ts', code)).toHaveLength(1)
  })

  it('reads no clock and draws no randomness in the pure folders', () => {
    const pure = BROWSER_SAFE.filter((path) => /^src\/(merkle|formats|tiles|reports)\//.test(path))
    const impure = pure.filter((path) =>
      /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bgetRandomValues\b|\bfetch\(/.test(
        codeOnly(readText(path)),
      ),
    )
    expect(impure).toEqual([])
  })

  it('cuts no size or index to 32 bits in the mathematics', () => {
    const cutting = SOURCES.filter((path) => /^src\/(merkle|tiles)\//.test(path)).filter((path) =>
      /\s(<<|>>>?)=?\s|\s\|=?\s0\b|~~/.test(codeOnly(readText(path))),
    )
    expect(cutting).toEqual([])
  })
})

describe('every source', () => {
  it('names what it exports', () => {
    const nameless = SOURCES.filter((path) =>
      /\bexport\s+default\b|\bas\s+default\b/.test(codeOnly(readText(path))),
    )
    expect(nameless).toEqual([])
  })

  it('knows its types', () => {
    const lines = SOURCES.flatMap((path) =>
      /(?<![.\w$])any\b(?!\s*\()/.test(codeOnly(readText(path))) ? [`${path} says any`] : [],
    )
    expect(lines).toEqual([])
  })

  it('is reached by its own name: folders have no index and no drawer for odds and ends', () => {
    const misnamed = SOURCES.filter((path) => /\/(index|utils?|helpers?|misc)(\.ts|\/)/.test(path))
    expect(misnamed).toEqual([])
  })

  it('says first what it is', () => {
    expect(SOURCES.filter((path) => !/^(#!.*\n)?\/[*/]/.test(readText(path)))).toEqual([])
  })

  it('re-exports only in the entry points, and what is built into one file', () => {
    const inside = SOURCES.filter((path) => !/^(entry |typebox$)/.test(layerOf(path)))
    const barrels = inside.filter((path) =>
      /\bexport\s+(type\s+)?(\*|\{[^}]*\})\s*(as\s+\w+\s+)?from\b/.test(codeOnly(readText(path))),
    )
    expect(barrels).toEqual([])
  })

  it('takes from TypeBox only types, but for the module that is built into one file', () => {
    const direct = SOURCES.filter((path) => path !== 'src/typebox.ts').filter((path) =>
      /^(import|export) (?!type ).*'typebox(\/\w+)?'/m.test(readText(path)),
    )
    expect(direct).toEqual([])
  })
})

describe('what tests have in common', () => {
  it('has no hooks at its top, which would be there for one file of a process only', () => {
    const helpers = filesBelow('test').filter((path) => /(?<!\.test)\.ts$/.test(path))
    expect(helpers.length).toBeGreaterThan(40)
    const hooked = helpers.filter((path) => /^(before|after)(All|Each)\(/m.test(readText(path)))
    expect(hooked).toEqual(['test/support/setup.ts'])
  })
})

describe('what is published', () => {
  it('makes directories by the one function that comes back where none can be made', () => {
    const recursive = /\bmkdir(Sync)?\([^;]*?\brecursive: true/
    expect(SOURCES.filter((path) => recursive.test(codeOnly(readText(path))))).toEqual([])
  })

  it('mentions nothing outside the repository', () => {
    const texts = ['README.md', 'CHANGELOG.md', ...filesBelow('docs'), ...filesBelow('spec')]
    const mentions = [...SOURCES, ...texts].filter((path) => /\.\.\/shared\b/.test(readText(path)))
    expect(mentions).toEqual([])
  })
})
