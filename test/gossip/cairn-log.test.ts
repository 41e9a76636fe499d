/** Heads as leaves of another real log, over HTTP. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { verifyReceipt } from '../../src/client/verify-receipt.ts'
import { CairnError } from '../../src/errors.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { cairnLog } from '../../src/gossip/cairn-log.ts'
import { headName } from '../../src/gossip/head-files.ts'
import type { LogService } from '../../src/log/service.ts'
import { LOG_KEY } from '../support/example-log.ts'
import { type LiveServer, liveServer } from '../support/live-server.ts'
import { principal } from '../support/principals.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'
import { headAt, newFolder, noSignal, type Place } from './heads.ts'

const TOKEN = 'Bearer right'

describe('another log', () => {
  let data: TestLogPlace
  let log: LogService
  let server: LiveServer
  let place: Place

  beforeAll(async () => {
    data = await newPlace()
    log = await openAt(data)
    server = await liveServer(
      { '': log },
      { authenticate: (header) => (header === TOKEN ? principal('gossip') : undefined) },
    )
  })
  afterAll(async () => {
    await server.close()
    await log.close()
    await discard(data)
  })
  beforeEach(async () => {
    place = await newFolder()
  })
  afterEach(() => place.discard())

  const sinkWith = (more: object = {}) =>
    cairnLog({
      name: 'other',
      url: server.url,
      directory: place.at('receipts'),
      logKeys: log.vkeys.map(parseVkey),
      token: async () => 'right',
      ...more,
    })
  const kept = () => readdir(place.at('receipts')).catch(() => [])

  async function expectFailure(sink: ReturnType<typeof cairnLog>, code: string, reason: RegExp) {
    const error = await sink.send(headAt(4), noSignal()).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(CairnError)
    expect((error as CairnError).message).toMatch(reason)
    expect((error as CairnError).code).toBe(code)
    expect((error as CairnError).message).not.toContain('127.0.0.1')
    expect(await kept()).toEqual([])
  }

  it('takes the checkpoint as a leaf, and the receipt is kept', async () => {
    const receipt = await sinkWith().send(headAt(7), noSignal())
    const name = headName(headAt(7))
    expect((await kept()).sort()).toEqual([`${name}.leaf`, `${name}.tlog-proof`])
    const leaf = await readFile(place.at('receipts', `${name}.leaf`))
    expect(leaf.toString()).toBe(headAt(7).checkpoint)
    const proof = await readFile(place.at('receipts', `${name}.tlog-proof`))
    const trust = { logKeys: log.vkeys.map(parseVkey) }
    const verdict = verifyReceipt({ leaf, receipt: proof, trust })
    expect(verdict.ok).toBe(true)
    expect(receipt?.detail).toBe(`is entry ${verdict.index} of ${log.origin}`)
    expect(await log.entry(verdict.index as never)).toEqual(new Uint8Array(leaf))
  })

  it('gives the same head its first place again', async () => {
    const first = await sinkWith().send(headAt(9), noSignal())
    const { size } = log.head()
    expect(await sinkWith().send(headAt(9), noSignal())).toEqual(first)
    expect(log.head().size).toBe(size)
  })

  it('is refused when its receipt is by another key than the one that is trusted', async () => {
    const sink = sinkWith({ logKeys: [LOG_KEY.vkey] })
    await expectFailure(sink, 'VERIFICATION_FAILED', /its receipt is refused: .*not trusted/)
  })

  it('may be trusted without a key', async () => {
    await sinkWith({ logKeys: [] }).send(headAt(3), noSignal())
    expect(await kept()).toHaveLength(2)
  })

  it('is told of when it does not know the token', async () => {
    const sink = sinkWith({ token: async () => 'wrong' })
    await expectFailure(sink, 'UNAUTHORIZED', /token/)
  })

  it('is told of when it is not there', async () => {
    const sink = sinkWith({ url: 'http://127.0.0.1:1' })
    await expectFailure(sink, 'IO', /^cannot be reached/)
  })

  it('cannot take a checkpoint that is larger than a leaf', async () => {
    const checkpoint = `${headAt(4).checkpoint}${'x'.repeat(70_000)}`
    const sent = sinkWith().send({ ...headAt(4), checkpoint }, noSignal())
    await expect(sent).rejects.toThrow(/at most 65535 can be logged/)
  })

  it('is of no use when its receipts cannot be kept', async () => {
    await writeFile(place.at('receipts'), utf8('a file'))
    const sent = sinkWith().send(headAt(4), noSignal())
    await expect(sent).rejects.toThrow(/^cannot be written/)
  })
})
