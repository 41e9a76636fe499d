/** What a web page would load: each browser entry as one bundle, run where there is nothing of Node. */
import { webcrypto } from 'node:crypto'
import { join } from 'node:path'
import vm from 'node:vm'
import { gzipSync } from 'node:zlib'
import { build, type Plugin } from 'esbuild'
import { beforeAll, describe, expect, it } from 'vitest'
import type { EvidenceVector, EvidenceVectors } from './support/evidence-vectors.ts'
import type { ReceiptVector } from './support/receipt-vectors.ts'
import { ROOT, readText } from './support/sources.ts'
import type { SplitViewVector } from './support/split-view-vectors.ts'
import { identity, issuing, pemOf, STAMPED_AT, stamp, timeStamping } from './support/time-stamps.ts'

interface Manifest {
  readonly imports: Readonly<Record<string, string | { readonly default: string }>>
}
const manifest = JSON.parse(readText('package.json')) as Manifest

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

const VECTORS = ['tlog-proofs.json', 'json-receipts.json', 'cose-receipts.json'].map(
  (file) => [file, readText(`spec/vectors/${file}`)] as const,
)

/** Runs inside the context, so that all bytes are of its realm. */
const JUDGE = `
  const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16))
  const utf8 = (text) => new TextEncoder().encode(text)
  function judge(text, isText) {
    return JSON.stringify(JSON.parse(text).receipts.map(({ name, leaf, receipt, vkeys, policy }) => {
      const verdict = cairn.verifyReceipt({
        leaf: bytesOf(leaf),
        receipt: isText ? utf8(receipt) : bytesOf(receipt),
        trust: {
          logKeys: vkeys.map((vkey) => cairn.parseVkey(vkey)),
          ...(policy && { policy: cairn.parsePolicy(utf8(policy)) }),
        },
      })
      return name + ': ' + (verdict.ok ? 'valid' : 'refused')
    }))
  }
  function judgeSplitViews(text) {
    return JSON.stringify(JSON.parse(text).split_views.map(({ name, split_view, vkeys, policy }) => {
      const trust = {
        logKeys: vkeys.map((vkey) => cairn.parseVkey(vkey)),
        ...(policy && { policy: cairn.parsePolicy(utf8(policy)) }),
      }
      const { ok } = cairn.verifySplitView(utf8(split_view), trust)
      return name + ': ' + (ok ? 'valid' : 'refused')
    }))
  }
`

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
  // The SDK and the auditor; what is promised of sizes is of the verifiers.
  { entry: 'src/client.ts', limit: 55_000 },
  { entry: 'src/evidence.ts', limit: 45_000 },
  // Of certificates and time-stamps; the others must not come to weigh as much by it.
  { entry: 'src/time-stamp.ts', limit: 110_000 },
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
  let context: vm.Context
  beforeAll(async () => {
    context = browserLike()
    vm.runInContext((await bundle('src/verify.ts')).code, context)
    vm.runInContext(JUDGE, context)
  })

  it.each(VECTORS)('gives the verdict of %s on every receipt', (file, text) => {
    const { receipts } = JSON.parse(text) as { receipts: ReceiptVector[] }
    expect(receipts.length).toBeGreaterThan(10)
    Object.assign(context, { text, isText: file !== 'cose-receipts.json' })
    const verdicts = JSON.parse(vm.runInContext('judge(text, isText)', context)) as string[]
    expect(verdicts).toEqual(
      receipts.map(({ name, valid }) => `${name}: ${valid ? 'valid' : 'refused'}`),
    )
  })
  it('gives the verdict of split-views.json on every split view', () => {
    const text = readText('spec/vectors/split-views.json')
    const { split_views } = JSON.parse(text) as { split_views: SplitViewVector[] }
    Object.assign(context, { text })
    const verdicts = JSON.parse(vm.runInContext('judgeSplitViews(text)', context)) as string[]
    expect(verdicts).toEqual(
      split_views.map(({ name, valid }) => `${name}: ${valid ? 'valid' : 'refused'}`),
    )
  })
})

describe('the verifier of evidence in a browser', () => {
  it('believes what holds, and not one bit less', async () => {
    const vectors = JSON.parse(readText('spec/vectors/evidence.json')) as EvidenceVectors
    const [{ vkeys, policy }] = vectors.evidence as [EvidenceVector]
    const context = browserLike()
    vm.runInContext((await bundle('src/evidence.ts')).code, context)
    Object.assign(context, {
      hex: Buffer.from(vectors.archive, 'base64').toString('hex'),
      vkeys: vkeys.join(' '),
      policy,
    })
    const judge = `
      const bytes = Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16))
      const trust = {
        logKeys: vkeys.split(' ').filter(Boolean).map((vkey) => cairn.parseVkey(vkey)),
        ...(policy && { policy: cairn.parsePolicy(new TextEncoder().encode(policy)) }),
      }
      const judge = () => {
        const { ok, records } = cairn.verifyEvidence(bytes, trust)
        return ok + ' ' + records.filter((record) => record.ok).length
      }
      const good = judge()
      bytes[bytes.length >> 1] ^= 1
      ;[good, judge()].join(', ')`
    expect(vm.runInContext(judge, context)).toMatch(/^true [1-9], false [0-9]$/)
  })
})

describe('the verifier of time-stamps in a browser', () => {
  it('gives the verdicts that it gives in Node', async () => {
    const root = await identity({ name: 'Root', extensions: issuing() })
    const signer = await identity({ name: 'TSA', issuer: root, extensions: timeStamping() })
    const data = new TextEncoder().encode('a checkpoint')
    const stamps = [await stamp({ signer, data }), await stamp({ signer, data, ess: {} })]
    const context = vm.createContext({
      TextEncoder,
      TextDecoder,
      crypto: webcrypto,
      atob,
      btoa,
      // Node's Web Crypto takes no buffers of another realm.
      ArrayBuffer,
      Uint8Array,
      hex: [data, ...stamps].map((bytes) => Buffer.from(bytes).toString('hex')),
      pem: pemOf(root.parsed.der),
    })
    vm.runInContext((await bundle('src/time-stamp.ts')).code, context)
    const judge = `(async () => {
      const [data, ...stamps] = hex.map((text) =>
        Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16)))
      const anchors = cairn.parseCertificates(new TextEncoder().encode(pem))
      const verdicts = stamps.map((response) => cairn.verifyTimeStamp({ data, response, anchors }))
      return JSON.stringify((await Promise.all(verdicts)).map(({ ok, proven }) => [ok, proven?.time]))
    })()`
    const verdicts = await (vm.runInContext(judge, context) as Promise<string>)
    expect(JSON.parse(verdicts)).toEqual([
      [true, STAMPED_AT],
      [false, null],
    ])
  })
})

describe('what is loaded before it is needed', () => {
  it.each(['src/cli/main.ts', 'src/cli/verify.ts', 'src/server.ts'])(
    '%s loads no ASN.1: only time-stamps need it',
    async (entry) => {
      const { metafile } = await build({
        absWorkingDir: ROOT,
        entryPoints: [entry],
        bundle: true,
        splitting: true,
        write: false,
        metafile: true,
        outdir: 'unused',
        platform: 'node',
        format: 'esm',
        packages: 'external',
        external: ['#*'],
        logLevel: 'silent',
      })
      const [first] = Object.keys(metafile.outputs).filter(
        (name) => metafile.outputs[name]!.entryPoint === entry,
      )
      const loaded = new Set([first!])
      for (const name of loaded) {
        for (const { path, kind } of metafile.outputs[name]?.imports ?? []) {
          if (kind === 'import-statement') loaded.add(path)
        }
      }
      const packages = [...loaded].filter((name) => !metafile.outputs[name])
      expect(packages.length).toBeGreaterThan(1)
      expect(packages.filter((name) => /pkijs|asn1js/.test(name))).toEqual([])
      // Somewhere else it is, or this looks at nothing.
      const all = Object.values(metafile.outputs).flatMap(({ imports }) => imports)
      expect(all.map(({ path }) => path)).toContain('pkijs')
    },
  )
})
