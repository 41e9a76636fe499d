/** What a web page would load: each browser entry as one bundle, run where there is nothing of Node. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import vm from 'node:vm'
import { gzipSync } from 'node:zlib'
import { build, type Plugin } from 'esbuild'
import { beforeAll, describe, expect, it } from 'vitest'
import { formatVkey } from '../src/formats/vkey.ts'
import {
  coseReceiptAt,
  jsonReceiptAt,
  LEAVES,
  LOG_KEY,
  tlogProofAt,
} from './support/example-log.ts'
import { ROOT } from './support/sources.ts'

interface Manifest {
  readonly imports: Readonly<Record<string, string | { readonly default: string }>>
}
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest

/** Follows the package's `#…` imports as a browser's bundler does, but to the sources: no build is needed first. */
const webImports: Plugin = {
  name: 'web-imports',
  setup(plugins) {
    plugins.onResolve({ filter: /^#/ }, ({ path }) => {
      const target = manifest.imports[path]
      if (target === undefined || typeof target === 'string') {
        return { errors: [{ text: `${path} is not for browsers` }] }
      }
      return { path: join(ROOT, target.default.replace('./dist/', 'src/').replace(/js$/, 'ts')) }
    })
  },
}

interface Bundle {
  readonly code: string
  readonly inputs: readonly string[]
}

async function bundle(entry: string): Promise<Bundle> {
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'cairn',
    target: 'es2022',
    plugins: [webImports],
    logLevel: 'silent',
  })
  return { code: result.outputFiles[0]!.text, inputs: Object.keys(result.metafile.inputs) }
}

/** A context with the language itself and the few web interfaces that every browser has. */
function browserLike(): vm.Context {
  return vm.createContext({ TextEncoder, TextDecoder })
}

describe.each([
  { entry: 'src/verify.ts', limit: 45_000 },
  { entry: 'src/client.ts', limit: 45_000 },
])('the bundle of $entry', ({ entry, limit }) => {
  let made: Bundle
  beforeAll(async () => {
    made = await bundle(entry)
  })

  it('holds nothing of Node and nothing of the server', () => {
    const foreign = made.inputs.filter((path) =>
      /^node:|-node\.ts$|^src\/(log|http|server|storage|cli)\/|\/(hono|level|classic-level|commander|yaml|typebox|prom-client)\//.test(
        path,
      ),
    )
    expect(foreign).toEqual([])
  })

  it(`weighs at most ${limit} bytes, compressed`, () => {
    const size = gzipSync(made.code, { level: 9 }).length
    console.log(`${entry}: ${made.code.length} bytes minified, ${size} compressed`)
    expect(size).toBeLessThan(limit)
  })

  it('loads where there is no Node', () => {
    const names = vm.runInContext(`${made.code}; Object.keys(cairn)`, browserLike()) as string[]
    expect(names.length).toBeGreaterThan(3)
  })
})

describe('the verifier in a browser', () => {
  const receipts = {
    'a tlog-proof': new TextEncoder().encode(tlogProofAt(3, 13)),
    'a JSON receipt': new TextEncoder().encode(jsonReceiptAt(3, 13)),
    'a COSE receipt': coseReceiptAt(3, 13),
  }
  let context: vm.Context
  beforeAll(async () => {
    context = browserLike()
    vm.runInContext((await bundle('src/verify.ts')).code, context)
  })

  /** Verifies inside the context, on its own bytes: those made outside are of another realm. */
  function verdictOn(leaf: Uint8Array, receipt: Uint8Array): { ok: boolean; text: string } {
    Object.assign(context, {
      leafNumbers: [...leaf],
      receiptNumbers: [...receipt],
      vkey: formatVkey(LOG_KEY.vkey),
    })
    const script = `JSON.stringify(cairn.verifyReceipt({
      leaf: Uint8Array.from(leafNumbers),
      receipt: Uint8Array.from(receiptNumbers),
      trust: { logKeys: [cairn.parseVkey(vkey)] },
    }))`
    const text = vm.runInContext(script, context) as string
    return { ok: (JSON.parse(text) as { ok: boolean }).ok, text }
  }

  it.each(Object.entries(receipts))('accepts %s', (_name, receipt) => {
    const { ok, text } = verdictOn(LEAVES[3]!, receipt)
    expect(ok, text).toBe(true)
  })

  it.each(Object.entries(receipts))('refuses %s for another leaf', (_name, receipt) => {
    expect(verdictOn(LEAVES[4]!, receipt).ok).toBe(false)
  })
})
