import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { createLogClient, type LogClient } from '../../src/client/log-client.ts'
import { decodeByteStrings } from '../../src/formats/cbor.ts'
import { parseJsonReceipt } from '../../src/formats/json-receipt.ts'
import { loadConfig } from '../../src/server/config.ts'
import { type RunningServer, serve } from '../../src/server/serve.ts'
import { checkpointAt, jsonReceiptAt, LEAVES } from '../support/example-log.ts'
import { answer, type FlakyServer, flakyServer, hangUp } from './flaky-server.ts'

describe('the client of a running log', () => {
  let data: string
  let server: RunningServer
  let client: LogClient

  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), 'cairn-client-'))
    const flags = { data: join(data, 'log'), port: 0, 'publish-interval': 10 }
    server = await serve(await loadConfig({ flags, env: {} }))
    const token = (await readFile(join(data, 'log', 'admin.token'), 'utf8')).trim()
    client = createLogClient({ url: server.url, token, retryDelayMs: 5 })
  })
  afterAll(async () => {
    await server.close()
    await rm(data, { recursive: true, force: true })
  })

  it('submits a leaf and gets its receipt', async () => {
    const receipt = await client.submit(utf8('first'))
    expect(receipt).toMatchObject({ origin: server.origin, index: 0, size: 1, proof: [] })
    expect((await client.submit(utf8('first'))).index).toBe(0)
  })

  it('submits a stream of leaves in batches, and gets receipts in their order', async () => {
    async function* leaves() {
      for (let i = 0; i < 4_100; i++) yield utf8(`leaf ${i}`)
    }
    const batches: number[] = []
    const indices: number[] = []
    for await (const receipts of client.submitMany(leaves())) {
      batches.push(receipts.length)
      indices.push(...receipts.map((receipt) => receipt.index))
    }
    expect(batches).toEqual([2_000, 2_000, 100])
    expect(indices).toEqual(Array.from({ length: 4_100 }, (_, i) => i + 1))
  })

  it('submits for indices only', async () => {
    const answers: number[][] = []
    for await (const indices of client.submitForIndices([utf8('leaf 7'), utf8('leaf 9')])) {
      answers.push([...indices])
    }
    expect(answers).toEqual([[8, 10]])
  })

  it.each(['tlog-proof', 'json', 'cose'] as const)('fetches %s receipts', async (format) => {
    const bytes = await client.receipt(5, format)
    expect(bytes.length).toBeGreaterThan(100)
  })

  it('says which receipt there is not', async () => {
    await expect(client.receipt(1_000_000, 'json')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('reads partial tiles that only the full tile can give any more', async () => {
    const source = client.tileSource()
    const full = await source.tile(0, 0, 256)
    expect(await source.tile(0, 0, 17)).toEqual(full.subarray(0, 17 * 32))
  })

  it('is told when it may not submit', async () => {
    const stranger = createLogClient({ url: server.url })
    await expect(stranger.submit(utf8('x'))).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
  })
})

describe('the client', () => {
  let server: FlakyServer | undefined
  afterEach(async () => {
    await server?.close()
    server = undefined
  })

  it('refuses leaves that no log takes, before it asks one', async () => {
    const client = createLogClient({ url: 'http://127.0.0.1:9' })
    await expect(client.submit(new Uint8Array())).rejects.toMatchObject({ code: 'MALFORMED' })
    await expect(client.submit(new Uint8Array(65_536))).rejects.toMatchObject({ code: 'TOO_LARGE' })
  })

  it('retries a submission whose answer got lost', async () => {
    server = await flakyServer(hangUp, answer(201, jsonReceiptAt(3, 9)))
    const client = createLogClient({ url: server.url, retryDelayMs: 1 })
    expect(await client.submit(LEAVES[3]!)).toMatchObject({ index: 3, size: 9 })
    expect(server.seen).toHaveLength(2)
  })

  it('refuses the receipt of another leaf', async () => {
    server = await flakyServer(answer(201, jsonReceiptAt(3, 9)))
    const client = createLogClient({ url: server.url })
    await expect(client.submit(LEAVES[4]!)).rejects.toMatchObject({ code: 'VERIFICATION_FAILED' })
  })

  it('refuses a receipt whose proof does not hold', async () => {
    const receipt = JSON.parse(jsonReceiptAt(3, 9))
    receipt.inclusion_path.reverse()
    server = await flakyServer(answer(201, JSON.stringify(receipt)))
    const client = createLogClient({ url: server.url })
    await expect(client.submit(LEAVES[3]!)).rejects.toMatchObject({ code: 'VERIFICATION_FAILED' })
  })

  it.each(['', '[]', '{', '{"receipts":[]}', '{"receipts":[1]}', '{"receipts":{"length":1}}'])(
    'refuses %j as the answer to a batch',
    async (body) => {
      server = await flakyServer(answer(201, body))
      const client = createLogClient({ url: server.url })
      await expect(client.submitMany([utf8('x')]).next()).rejects.toMatchObject({
        code: 'MALFORMED',
      })
    },
  )

  it.each(['{"indices":[-1]}', '{"indices":["1"]}', '{"indices":[1.5]}', '{"indices":[1,2]}'])(
    'refuses %s as indices',
    async (body) => {
      server = await flakyServer(answer(200, body))
      const client = createLogClient({ url: server.url })
      await expect(client.submitForIndices([utf8('x')]).next()).rejects.toMatchObject({
        code: 'MALFORMED',
      })
    },
  )

  it('fills batches up to the size that a log takes', async () => {
    server = await flakyServer((response, { body }) => {
      const limits = { count: 10_000, length: 65_535 }
      expect(body.length).toBeLessThanOrEqual(16 * 1024 * 1024)
      const leaves = decodeByteStrings(body, limits)
      response.end(JSON.stringify({ indices: leaves.map((_, i) => i) }))
    })
    const client = createLogClient({ url: server.url })
    const large = Array.from({ length: 300 }, () => new Uint8Array(65_000).fill(1))
    const sizes: number[] = []
    for await (const indices of client.submitForIndices(large)) sizes.push(indices.length)
    expect(sizes.reduce((sum, size) => sum + size)).toBe(300)
    expect(sizes).toHaveLength(2)
  })

  it('falls back to the full tile and bundle where the partial ones are gone', async () => {
    const full = new Uint8Array(8192).fill(7)
    const bundle = new Uint8Array(256 * 3).map((_, i) => [0, 1, 65][i % 3]!)
    server = await flakyServer((response, { path }) => {
      if (path.includes('.p/')) response.writeHead(404).end()
      else response.end(path.includes('entries') ? bundle : full)
    })
    const source = createLogClient({ url: server.url }).tileSource()
    expect(await source.tile(1, 1234, 3)).toEqual(full.subarray(0, 96))
    expect(await source.bundle(0, 5)).toEqual(bundle.subarray(0, 15))
    expect(server.seen.map(({ path }) => path)).toEqual([
      '/tile/1/x001/234.p/3',
      '/tile/1/x001/234',
      '/tile/entries/000.p/5',
      '/tile/entries/000',
    ])
  })

  it('names the tile that there is not at all', async () => {
    server = await flakyServer(answer(404, ''))
    const source = createLogClient({ url: server.url }).tileSource()
    await expect(source.tile(0, 5, 3)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('tile/0/005.p/3'),
    })
  })

  it('returns checkpoints to the byte', async () => {
    server = await flakyServer(answer(200, checkpointAt(5)))
    expect(await createLogClient({ url: server.url }).checkpoint()).toEqual(utf8(checkpointAt(5)))
    expect(parseJsonReceipt(jsonReceiptAt(0, 1)).size).toBe(1)
  })
})
