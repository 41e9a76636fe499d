/** What submitters and operators see of the witnesses, over HTTP. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../src/bytes.ts'
import { createLogClient } from '../../src/client/log-client.ts'
import { verifyReceipt } from '../../src/client/verify-receipt.ts'
import { encodeByteStrings } from '../../src/formats/cbor.ts'
import type { Policy } from '../../src/formats/policy.ts'
import { formatVkey, parseVkey } from '../../src/formats/vkey.ts'
import { localSigner } from '../../src/log/local-signer.ts'
import type { LogService } from '../../src/log/service.ts'
import { type LiveServer, liveServer } from '../support/live-server.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'
import { newWitness, policyOf, type TestWitness } from '../support/test-witness.ts'

const DEADLINE_MS = 400
const OCTETS = { 'content-type': 'application/octet-stream' }

let place: TestLogPlace
let witnesses: TestWitness[]
let policy: Policy
let log: LogService
let server: LiveServer
let fresh = 0

beforeAll(async () => {
  place = await newPlace()
  const signer = localSigner(place.keys)
  const vkeys = [signer.ed25519, signer.mlDsa].map(formatVkey)
  witnesses = await Promise.all(['a.example', 'b.example'].map((name) => newWitness(name, vkeys)))
  policy = policyOf(witnesses, 2)
  log = await openAt(place, {
    witnesses: {
      policy,
      ports: witnesses.map(({ port }) => port),
      hurriedIntervalMs: 5,
      firstPauseMs: 5,
      longestPauseMs: 20,
    },
  })
  server = await liveServer({ '': log, second: log }, { witnessDeadlineMs: DEADLINE_MS })
  // The first head takes far longer than any later one: nothing is compiled yet.
  await submit()
  await recovered()
})

afterAll(async () => {
  await server.close()
  await log.close()
  for (const witness of witnesses) await witness.discard()
  await discard(place)
})

function cut(down: boolean): void {
  for (const { line } of witnesses) line.down = down
}

async function recovered(): Promise<void> {
  cut(false)
  expect(await log.witnessed((log.head().size - 1) as never, 5_000)).toBeDefined()
}

function submit(
  headers: Record<string, string> = {},
  leaf: Uint8Array = utf8(`leaf ${fresh++}`),
  path = '/v1/leaves?wait=witnessed',
): Promise<Response> {
  const body = leaf as Uint8Array<ArrayBuffer>
  return fetch(server.url + path, { method: 'POST', body, headers: { ...OCTETS, ...headers } })
}

/** Whether a receipt holds for who demands the quorum. */
function holds(leaf: Uint8Array, receipt: Uint8Array): boolean {
  return verifyReceipt({ leaf, receipt, trust: { logKeys: log.vkeys.map(parseVkey), policy } }).ok
}

describe('a submission that waits for the witnesses', () => {
  it.each(['text/plain', 'application/json'])('is answered with a cosigned %s', async (accept) => {
    const leaf = utf8(`leaf ${fresh++}`)
    const answer = await submit({ accept }, leaf)
    expect(answer.status).toBe(201)
    expect(answer.headers.get('content-type')).toContain(accept)
    const receipt = new Uint8Array(await answer.arrayBuffer())
    expect(holds(leaf, receipt)).toBe(true)
    // The same leaf again is there already, and under such a head.
    expect((await submit({ accept }, leaf)).status).toBe(200)
  })

  it('may want its index only, and is served below a prefix as well', async () => {
    const answer = await submit({ prefer: 'return=minimal' })
    expect(answer.status).toBe(201)
    expect(await answer.json()).toEqual({ index: log.head().size - 1 })
    expect(log.publication().size).toBe(log.head().size)
    const below = await submit({}, utf8(`leaf ${fresh++}`), '/logs/second/v1/leaves?wait=witnessed')
    expect(below.status).toBe(201)
  })

  it('may be a batch', async () => {
    const leaves = [1, 2, 3].map(() => utf8(`leaf ${fresh++}`))
    const sequence = { 'content-type': 'application/cbor-seq' }
    const answer = await submit(sequence, encodeByteStrings(leaves))
    expect(answer.status).toBe(201)
    const { receipts } = (await answer.json()) as { receipts: object[] }
    expect(receipts.map((one, i) => holds(leaves[i]!, utf8(JSON.stringify(one))))).toEqual([
      true,
      true,
      true,
    ])
  })

  it('is answered with 202 at the deadline, and its receipt is upgraded later', async () => {
    cut(true)
    const leaf = utf8(`leaf ${fresh++}`)
    const started = performance.now()
    const answer = await submit({ accept: 'text/plain' }, leaf)
    const waited = performance.now() - started
    expect(answer.status).toBe(202)
    expect(waited).toBeGreaterThanOrEqual(DEADLINE_MS - 5)
    expect(waited).toBeLessThan(DEADLINE_MS + 1_000)
    expect(answer.headers.get('retry-after')).toBe('1')
    // It has a receipt, but not one that the quorum's friends accept.
    const early = new Uint8Array(await answer.arrayBuffer())
    expect(holds(leaf, early)).toBe(false)
    const alone = { leaf, receipt: early, trust: { logKeys: log.vkeys.map(parseVkey) } }
    expect(verifyReceipt(alone).ok).toBe(true)

    await recovered()
    const location = answer.headers.get('location')!
    const later = await fetch(server.url + location, { headers: { accept: 'text/plain' } })
    expect(holds(leaf, new Uint8Array(await later.arrayBuffer()))).toBe(true)
  })

  it('waits no longer than its client wants to', async () => {
    cut(true)
    const started = performance.now()
    const answer = await submit({ prefer: 'wait=0, return=minimal' })
    expect(answer.status).toBe(202)
    expect(performance.now() - started).toBeLessThan(DEADLINE_MS)
    await recovered()
  })

  it('is lost by nobody who hangs up', async () => {
    cut(true)
    const leaf = utf8(`leaf ${fresh++}`)
    const signal = AbortSignal.timeout(100)
    const body = leaf as Uint8Array<ArrayBuffer>
    const hungUp = fetch(`${server.url}/v1/leaves?wait=witnessed`, {
      method: 'POST',
      body,
      headers: OCTETS,
      signal,
    })
    await expect(hungUp).rejects.toThrow()
    await recovered()
    const again = await submit({}, leaf)
    expect(again.status).toBe(200)
  })

  it('is what the client asks for by a word', async () => {
    const client = createLogClient({ url: server.url })
    const leaf = utf8(`leaf ${fresh++}`)
    const late: number[] = []
    const options = { witnessed: true, onLate: (leaves: number) => late.push(leaves) }
    const { index } = await client.submit(leaf, options)
    expect(holds(leaf, await client.receipt(index, 'tlog-proof'))).toBe(true)
    expect(late).toEqual([])
    cut(true)
    const more = [utf8(`leaf ${fresh++}`), utf8(`leaf ${fresh++}`)]
    for await (const receipts of client.submitMany(more, options)) expect(receipts).toHaveLength(2)
    expect(late).toEqual([2])
    await recovered()
  })
})

describe('the checkpoint', () => {
  it('stays at the newest head that the quorum has cosigned', async () => {
    await submit()
    const { size } = log.publication()
    cut(true)
    await submit({ prefer: 'wait=0' })
    const text = await (await fetch(`${server.url}/checkpoint`)).text()
    expect(text.split('\n')[1]).toBe(String(size))
    const sth = await (await fetch(`${server.url}/ct/v1/get-sth`)).json()
    expect(sth).toMatchObject({ tree_size: size })
    await recovered()
  })
})

describe('/v1/witnesses', () => {
  it('shows how each is doing', async () => {
    await submit()
    witnesses[1]!.line.down = true
    await submit({ prefer: 'wait=0' })
    await expect
      .poll(async () => (await read()).witnesses[1]!.state, { timeout: 5_000 })
      .toBe('suspended')
    const { quorum, committed_size, published_size, witnesses: all } = await read()
    expect({ quorum, committed_size }).toEqual({ quorum: 'q', committed_size: log.head().size })
    expect(published_size).toBe(log.head().size - 1)
    expect(all[0]).toMatchObject({
      names: ['a.example'],
      url: 'test:a.example',
      state: 'cosigning',
      lag: 0,
    })
    expect(all[1]).toMatchObject({
      size: log.head().size - 1,
      lag: 1,
      last_error: 'cannot reach b.example',
    })
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    const labels = '{log="main",witness="test:b.example"}'
    expect(metrics).toContain(`cairn_witness_lag_leaves${labels} 1`)
    expect(metrics).toContain(`cairn_witness_suspended${labels} 1`)
    expect(metrics).toMatch(
      /cairn_witness_cosigned_total\{log="main",witness="test:a.example"\} [1-9]/,
    )
    expect(metrics).toMatch(
      /cairn_witness_latency_seconds\{log="main",witness="test:a.example"\} 0\.\d/,
    )
    await recovered()
  })

  interface Listed {
    readonly quorum: string | null
    readonly committed_size: number
    readonly published_size: number
    readonly witnesses: readonly Record<string, unknown>[]
  }
  async function read(): Promise<Listed> {
    const answer = await fetch(`${server.url}/v1/witnesses`)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    return (await answer.json()) as Listed
  }

  it('takes no parameters', async () => {
    const answer = await fetch(`${server.url}/v1/witnesses?all=1`)
    expect(answer.status).toBe(400)
    expect(answer.headers.get('content-type')).toContain('problem+json')
    expect(fromUtf8(new Uint8Array(await answer.arrayBuffer()))).toContain('not known')
  })
})
