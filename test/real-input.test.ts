/**
 * Real input from end to end: 1,319 questions with the answers of four models, each a leaf. They are logged through
 * the client, the server is restarted, and everything the log then says is held against the definition of RFC 6962,
 * written down here once more with nothing but node:crypto.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../src/bytes.ts'
import { auditLog } from '../src/client/audit-log.ts'
import { createLogClient, type LogClient } from '../src/client/log-client.ts'
import type { Trust } from '../src/client/verdict.ts'
import { verifyReceipt } from '../src/client/verify-receipt.ts'
import { formatTlogProof } from '../src/formats/tlog-proof.ts'
import { parseVkey } from '../src/formats/vkey.ts'
import { loadConfig } from '../src/server/config.ts'
import { type RunningServer, serve } from '../src/server/serve.ts'

const input = new URL('../../shared/data/gsm8k-model-solutions.jsonl', import.meta.url)
const hasInput = existsSync(input)
if (!hasInput) console.warn('the model interactions are not here: logging them is skipped')

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** MTH of RFC 6962 section 2.1. */
function naiveRoot(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return sha256()
  if (leaves.length === 1) return sha256(Buffer.of(0), leaves[0]!)
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return sha256(Buffer.of(1), naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)))
}

describe.skipIf(!hasInput)('a log of real model interactions', () => {
  let folder: string
  let server: RunningServer
  let client: LogClient
  let trust: Trust
  let leaves: readonly Uint8Array[]
  const receipts: Uint8Array[] = []
  const indices: number[] = []

  async function start(): Promise<void> {
    const flags = { data: join(folder, 'data'), port: 0, origin: 'real.example/log' }
    server = await serve(await loadConfig({ flags, env: {} }))
    const token = (await readFile(join(folder, 'data', 'admin.token'), 'utf8')).trim()
    client = createLogClient({ url: server.url, token })
  }

  beforeAll(async () => {
    leaves = readFileSync(input, 'utf8').trimEnd().split('\n').map(utf8)
    folder = await mkdtemp(join(tmpdir(), 'cairn-real-'))
    await start()
    const vkeys = await readFile(join(folder, 'data', 'log.vkey'), 'utf8')
    trust = { logKeys: vkeys.trimEnd().split('\n').map(parseVkey) }
    for await (const batch of client.submitMany(leaves)) {
      for (const receipt of batch) {
        receipts.push(utf8(formatTlogProof(receipt)))
        indices.push(receipt.index)
      }
    }
    await server.close()
    await start()
  })
  afterAll(async () => {
    await server?.close()
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  })

  it('has given each of them an index, in their order', () => {
    expect(leaves).toHaveLength(1_319)
    expect(indices).toEqual(leaves.map((_, i) => i))
  })

  it('gave receipts that verify offline, each for its own leaf only', () => {
    for (const [i, receipt] of receipts.entries()) {
      expect(verifyReceipt({ leaf: leaves[i]!, receipt, trust }), `leaf ${i}`).toMatchObject({
        ok: true,
        origin: 'real.example/log',
        index: i,
      })
      const other = leaves[(i + 1) % leaves.length]!
      expect(verifyReceipt({ leaf: other, receipt, trust }).ok).toBe(false)
    }
  })

  it('passes an audit after a restart, with the root that the definition gives', async () => {
    const checkpoint = await client.checkpoint()
    const verdict = await auditLog({ source: client.tileSource(), checkpoint, trust })
    expect(verdict).toMatchObject({ ok: true, size: leaves.length, faultCount: 0 })
    expect(Buffer.from(verdict.root!)).toEqual(naiveRoot(leaves))
    expect(verdict.bytes).toBe(leaves.reduce((sum, leaf) => sum + leaf.length, 0))
  })

  it('gives receipts in every format after a restart', async () => {
    for (const index of [0, 255, 256, 1_023, 1_318]) {
      for (const format of ['tlog-proof', 'json', 'cose'] as const) {
        const receipt = await client.receipt(index, format)
        const verdict = verifyReceipt({ leaf: leaves[index]!, receipt, trust })
        expect(verdict, `${format} of ${index}`).toMatchObject({ ok: true, index })
      }
    }
  })

  it('gives the same indices when all of it comes again', async () => {
    const again: number[] = []
    for await (const batch of client.submitForIndices(leaves)) again.push(...batch)
    expect(again).toEqual(indices)
    const checkpoint = Buffer.from(await client.checkpoint()).toString()
    expect(checkpoint.split('\n')[1]).toBe('1319')
  })
})
