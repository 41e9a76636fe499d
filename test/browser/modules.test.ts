/** The modules that a page or a worker imports as they stand: whole, small, and with the verdicts of the library. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { parse } from 'acorn'
import { describe, expect, it } from 'vitest'
import type * as ByEd25519 from '../../src/browser/verify-ed25519.ts'
import { verdictJson } from '../../src/client/verdict-json.ts'
import { verifyFile } from '../../src/client/verify-file.ts'
import type * as Full from '../../src/verify.ts'
import type * as AnyFile from '../../src/verify-file.ts'
import { newerThanBrowsers } from '../support/newer-than-browsers.ts'
import { ROOT, readText } from '../support/sources.ts'
import { trustOf, verifierCases } from '../support/verifier-cases.ts'

const FOLDER = 'dist/browser'
const built = existsSync(join(ROOT, FOLDER))
if (!built)
  console.warn('dist is not here: the modules for browsers are not tested; run npm run build')

const load = (name: string): Promise<unknown> =>
  import(pathToFileURL(join(ROOT, FOLDER, name)).href)

describe.runIf(built).each([
  // What is promised: receipts by Ed25519 in 25 kB, and all formats and keys in 45.
  { name: 'verify-ed25519.js', limit: 25_000 },
  { name: 'verify.js', limit: 45_000 },
  // With certificates and time-stamps, which weigh twice as much as all the rest.
  { name: 'verify-file.js', limit: 150_000 },
])('the module $name', ({ name, limit }) => {
  const code = readText(join(FOLDER, name))

  it('is whole: it imports nothing, and knows nothing of Node', () => {
    const { body } = parse(code, { ecmaVersion: 2022, sourceType: 'module' })
    const statements = body.map(({ type }) => type)
    expect(statements.filter((type) => /^Import|^ExportAll/.test(type))).toEqual([])
    expect(code).not.toMatch(/\bimport\(|\brequire\(|\bnode:|\bprocess\.env|\bBuffer\.from/)
  })

  it('makes no code of text, which the policies of careful pages forbid', () => {
    expect(code).not.toMatch(/\bnew Function\(|\bFunction\(|\beval\(/)
  })

  it('needs nothing that Firefox ESR 115 and Safari 16 lack', () => {
    expect(newerThanBrowsers(code)).toBe(undefined)
  })

  it(`weighs at most ${limit} bytes, compressed`, () => {
    const size = gzipSync(code, { level: 9 }).length
    console.log(`${FOLDER}/${name}: ${code.length} bytes, ${size} compressed`)
    expect(size).toBeLessThanOrEqual(limit)
  })
})

const BEYOND = /none of the given log keys|no signature by a given log key|reads no COSE receipts/

describe.runIf(built)('what the modules for browsers say', () => {
  it('of any file is what the library says', async () => {
    const module = (await load('verify-file.js')) as typeof AnyFile
    for (const one of await verifierCases()) {
      const theirs = module.verdictJson(await module.verifyFile({ ...one, trust: trustOf(one) }))
      const ours = verdictJson(await verifyFile({ ...one, trust: trustOf(one) }))
      expect(JSON.parse(JSON.stringify(theirs)), one.name).toEqual(JSON.parse(JSON.stringify(ours)))
    }
  })

  it('of receipts and checkpoints is what the library says, where Ed25519 alone has to be asked', async () => {
    const module = (await load('verify-ed25519.js')) as typeof ByEd25519
    const full = (await load('verify.js')) as typeof Full
    const kinds = new Set<string>()
    for (const one of await verifierCases()) {
      const trust = trustOf(one)
      const { bytes, leaf, kind } = one
      const isReceipt = kind === 'tlog-proof' || kind === 'json' || kind === 'cose'
      if (!isReceipt && kind !== 'checkpoint') continue
      const judge = (verifier: typeof module | typeof full) =>
        isReceipt
          ? verifier.verifyReceipt({ leaf: leaf!, receipt: bytes, trust })
          : verifier.verifyCheckpoint(bytes, trust)
      expect(judge(full).ok, one.name).toBe(one.ok)
      const bySmall = judge(module)
      // What only an ML-DSA-44 key has signed is not believed, and COSE is not read.
      const isBeyond = /by ML-DSA-44|ML-DSA-44 alone/.test(one.name) || kind === 'cose'
      expect(bySmall.ok, one.name).toBe(one.ok && !isBeyond)
      if (isBeyond) expect(bySmall.finding, one.name).toMatch(BEYOND)
      kinds.add(`${kind} ${bySmall.ok}`)
    }
    expect(kinds.size).toBe(7)
  })
})
