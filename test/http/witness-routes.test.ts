import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { concat, fromUtf8, utf8 } from '../../src/bytes.ts'
import { originHash } from '../../src/client/witness-client.ts'
import { MAX_ADD_CHECKPOINT_SIZE } from '../../src/formats/add-checkpoint.ts'
import { formatNote, parseSignatureLines } from '../../src/formats/note.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { formatSignSubtree } from '../../src/formats/sign-subtree.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { createWitnessApp } from '../../src/http/witness-app.ts'
import { nodeHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import type { WitnessService } from '../../src/witness/service.ts'
import { codePoint } from '../support/code-points.ts'
import { cosign, NAME, type WitnessPlace, witnessPlace } from '../witness/test-witness.ts'
import { type RequestOptions, WitnessedLog } from '../witness/witnessed-log.ts'

const ORIGIN = 'log.example/one'
const HASH = originHash(ORIGIN)
const SIZE = 5

let place: WitnessPlace
let witness: WitnessService
let app: ReturnType<typeof createWitnessApp>
let logs = 0
const errors: unknown[] = []

beforeAll(async () => {
  place = await witnessPlace()
  witness = await place.open()
  app = createWitnessApp({
    witness,
    authenticate: () => undefined,
    onError: (error) => errors.push(error),
  })
})
afterAll(async () => {
  await place.remove()
  expect(errors).toEqual([])
})

/** A log that is watched, and of which the witness has cosigned the first leaves. */
async function watched(origin = `log.example/${logs++}`): Promise<WitnessedLog> {
  const log = new WitnessedLog(origin)
  await witness.watch([log.key.vkey])
  await cosign(witness, log.request(0, SIZE))
  return log
}

async function post(body: Uint8Array | string, path = '/add-checkpoint'): Promise<Response> {
  return app.request(path, { method: 'POST', body: body as RequestInit['body'] & {} })
}

describe('POST /add-checkpoint', () => {
  it('answers with signature lines', async () => {
    const log = await watched()
    const answer = await post(log.request(SIZE, 9))
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const lines = await answer.text()
    const [signature, ...others] = parseSignatureLines(utf8(lines))
    expect([signature?.name, others]).toEqual([NAME, []])
    const keys = witness.vkeys.map(parseVkey)
    const opened = openCheckpoint(utf8(log.head(9) + lines), [log.key.vkey], keys)
    expect(opened.cosignatures).toHaveLength(1)
  })

  it('answers with the size it knows, in a media type without parameters', async () => {
    const log = await watched()
    for (const from of [0, 3, 6]) {
      const answer = await post(log.request(from, 9))
      expect(answer.status).toBe(409)
      expect(answer.headers.get('content-type')).toBe('text/x.tlog.size')
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(await answer.text()).toBe(`${SIZE}\n`)
    }
    const fresh = new WitnessedLog(`log.example/${logs++}`)
    await witness.watch([fresh.key.vkey])
    expect(await (await post(fresh.request(4, 9))).text()).toBe('0\n')
  })

  // Each request breaks the rule of its row and one of a later row; the earlier one gives the answer.
  const rows = [
    ['malformed', 400, 'MALFORMED'],
    ['of an unknown log', 404, 'NOT_FOUND'],
    ['without a signature that counts', 403, 'UNTRUSTED'],
    ['from a size above its own', 400, 'MALFORMED'],
    ['of an empty tree with another root', 422, 'VERIFICATION_FAILED'],
    ['from another size than is known', 409, undefined],
    ['without a proof that holds', 422, 'VERIFICATION_FAILED'],
  ] as const
  type Row = (typeof rows)[number][0]

  /** A request that breaks each of some rules, made so that every one of them would be noticed. */
  function breaking(log: WitnessedLog, broken: readonly Row[]): Uint8Array | undefined {
    const breaks = (row: Row): boolean => broken.includes(row)
    const of = breaks('of an unknown log') ? new WitnessedLog('log.example/unknown') : log
    const isEmpty = breaks('of an empty tree with another root')
    const above = breaks('from a size above its own')
    const other = breaks('from another size than is known')
    const unproven = breaks('without a proof that holds')
    // A size above its own is 9 to 8 or 5 to 4; an empty tree comes from 0, which is another size than is known.
    if (isEmpty && !other && !above) return undefined
    const from = above ? (other ? 9 : SIZE) : isEmpty ? 0 : other ? 6 : SIZE
    const to = isEmpty ? 0 : above ? from - 1 : 9
    const options: RequestOptions = {
      keys: [breaks('without a signature that counts') ? of.mlDsaKey : of.key],
      ...(isEmpty && { root: of.root(3) }),
      proof: unproven ? [nodeHash(of.root(2))] : from > 0 && from <= to ? of.proof(from, to) : [],
    }
    const body = of.request(from, to, options)
    return breaks('malformed') ? concat(utf8('x'), body) : body
  }

  const pairs = rows.flatMap(([first, status, code], i) =>
    [undefined, ...rows.slice(i + 1).map(([row]) => row)].map(
      (second) => [first, second, status, code] as const,
    ),
  )
  it.each(pairs)('refuses one %s (and %s) with %s', async (first, second, status, code) => {
    const log = await watched()
    const broken = second === undefined ? [first] : [first, second]
    const body =
      breaking(log, broken) ?? breaking(log, [...broken, 'from another size than is known'])
    const answer = await post(body!)
    expect(answer.status).toBe(status)
    if (code === undefined) {
      expect(await answer.text()).toBe(`${SIZE}\n`)
      return
    }
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    const { detail, ...problem } = (await answer.json()) as Record<string, string>
    expect(problem).toMatchObject({ status, code })
    expect(detail?.length).toBeGreaterThan(10)
    expect(witness.logs().find(({ origin }) => origin === log.origin)?.head?.size).toBe(SIZE)
  })

  it('refuses a proof from size 0, and one between equal sizes', async () => {
    const log = await watched()
    const proof = log.proof(SIZE, 9)
    expect((await post(log.request(SIZE, SIZE, { proof }))).status).toBe(422)
    const fresh = new WitnessedLog(`log.example/${logs++}`)
    await witness.watch([fresh.key.vkey])
    expect((await post(fresh.request(0, 9, { proof }))).status).toBe(422)
  })

  it('refuses another root of the size it knows, and tells of it', async () => {
    const log = await watched()
    const fork = new WitnessedLog(log.origin, 'fork')
    expect((await post(fork.request(SIZE, SIZE))).status).toBe(422)
    const hash = originHash(log.origin)
    const listed = await app.request(`/v1/conflicts?origin_hash=${hash}`)
    expect(await listed.json()).toMatchObject({
      conflicts: [{ kind: 'split-view', origin: log.origin, cosigned: { tree_size: SIZE } }],
    })
  })

  it('takes the same body whatever its media type is', async () => {
    const log = await watched()
    for (const type of ['text/plain', 'application/octet-stream', 'application/json', 'x']) {
      const answer = await app.request('/add-checkpoint', {
        method: 'POST',
        body: log.request(SIZE, SIZE) as RequestInit['body'] & {},
        headers: { 'content-type': type },
      })
      expect(answer.status).toBe(200)
    }
  })

  it('takes no encoded body, no query, and no body that is too large', async () => {
    const log = await watched()
    const body = log.request(SIZE, SIZE) as RequestInit['body'] & {}
    const encoded = await app.request('/add-checkpoint', {
      method: 'POST',
      body,
      headers: { 'content-encoding': 'gzip' },
    })
    expect(encoded.status).toBe(415)
    expect((await post(fromUtf8(log.request(SIZE, SIZE)), '/add-checkpoint?x=1')).status).toBe(400)
    for (const more of [1, 1_000_000]) {
      expect((await post('x'.repeat(MAX_ADD_CHECKPOINT_SIZE + more))).status).toBe(413)
    }
    expect((await post('x'.repeat(MAX_ADD_CHECKPOINT_SIZE))).status).toBe(400)
  })

  it('answers garbage with a refusal', async () => {
    const log = await watched()
    const valid = log.request(SIZE, 9, { keys: [log.key, log.mlDsaKey] })
    const mutated = fc
      .array(
        fc.tuple(
          fc.constantFrom('flip', 'cut', 'repeat', 'insert', 'drop'),
          fc.nat(valid.length - 1),
          fc.nat(60),
          fc.uint8Array({ minLength: 1, maxLength: 4 }),
        ),
        { minLength: 1, maxLength: 3 },
      )
      .map((changes) =>
        changes.reduce((bytes, [kind, place, length, extra]) => {
          const at = Math.min(place, bytes.length)
          const [before, after] = [bytes.slice(0, at), bytes.slice(at)]
          switch (kind) {
            case 'flip':
              return concat(
                before,
                Uint8Array.of((after[0] ?? 0) ^ (1 << (length % 8))),
                after.slice(1),
              )
            case 'cut':
              return before
            case 'repeat':
              return concat(before, after.slice(0, length), after)
            case 'insert':
              return concat(before, extra, after)
            default:
              return concat(before, after.slice(length))
          }
        }, valid),
      )
    const lines = fc
      .array(
        fc.oneof(
          fc.constantFrom(
            'old 0',
            'old 5',
            'old 05',
            '',
            ORIGIN,
            '9',
            '0',
            log.origin,
            '\r',
            '\u2028',
          ),
          fc.constantFrom(...fromUtf8(valid).split('\n')),
          fc.string({ maxLength: 8, unit: codePoint }),
        ),
        { maxLength: 12 },
      )
      .map((some) => utf8(some.join('\n')))
    const statuses = new Set<number>()
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(mutated, lines, fc.uint8Array({ maxLength: 400 })),
        async (body) => {
          const { status } = await post(body)
          statuses.add(status)
          // What is cosigned is the head that was signed: only a line of a key that nobody knows can have changed.
          if (status === 200) expect(fromUtf8(body)).toContain(log.text(9))
          else expect([400, 403, 404, 409, 413, 422]).toContain(status)
        },
      ),
      { numRuns: 1_500 },
    )
    expect(statuses.size).toBeGreaterThan(2)
  })
})

describe('POST /sign-subtree', () => {
  it('is not there unless it is switched on', async () => {
    const answer = await post('subtree 0 1\n', '/sign-subtree')
    expect(answer.status).toBe(404)
    expect(await answer.json()).toMatchObject({ detail: 'no resource has this path' })
  })

  it('signs, or says why not', async () => {
    const other = await witnessPlace()
    const signing = await other.open({ mlDsa: true, signSubtrees: true })
    const theirs = createWitnessApp({
      witness: signing,
      authenticate: () => undefined,
      onError: (e) => errors.push(e),
    })
    const log = new WitnessedLog(ORIGIN)
    await signing.watch([log.key.vkey])
    const { cosignatures } = await cosign(signing, log.request(0, 14))
    const request = (start: number, end: number, lines = cosignatures, proof?: Uint8Array[]) =>
      formatSignSubtree({
        subtree: { start: treeSize(start), end: treeSize(end) },
        hash: nodeHash(log.tree.root(8, 13)),
        proof: (proof ?? log.tree.subtreeProof(8, 13, 14)).map(nodeHash),
        checkpoint: formatNote({
          text: log.text(14),
          signatures: parseSignatureLines(utf8(lines)),
        }),
      })
    const send = async (body: string) => {
      const answer = await theirs.request('/sign-subtree', { method: 'POST', body })
      return [answer.status, answer.headers.get('content-type')]
    }
    const problem = 'application/problem+json'
    expect(await send(request(8, 13))).toEqual([200, 'text/plain; charset=utf-8'])
    expect(await send(request(9, 13))).toEqual([400, problem])
    expect(await send(request(8, 13, cosignatures, []))).toEqual([422, problem])
    const byLog = log.head(14).split('\n\n')[1]
    expect(await send(request(8, 13, byLog))).toEqual([403, problem])
    expect(await send('x'.repeat(300_000))).toEqual([413, problem])
    await signing.unwatch(ORIGIN)
    expect(await send(request(8, 13))).toEqual([404, problem])
    await other.remove()
  })
})

describe('GET /<origin hash>/checkpoint', () => {
  it('shows what was cosigned, to be asked about again', async () => {
    const log = await watched(ORIGIN)
    const lines = await (await post(log.request(SIZE, 8))).text()
    const answer = await app.request(`/${HASH}/checkpoint`)
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe(log.head(8) + lines)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-cache',
      'access-control-allow-origin': '*',
      etag: expect.stringMatching(/^"[0-9a-f]{32}"$/),
    })
    const tag = answer.headers.get('etag')!
    for (const value of [tag, `W/${tag}`, `"x", ${tag}`, '*']) {
      const again = await app.request(`/${HASH}/checkpoint`, {
        headers: { 'if-none-match': value },
      })
      expect([again.status, await again.text()]).toEqual([304, ''])
      expect(again.headers.get('etag')).toBe(tag)
    }
    await post(log.request(8, 9))
    const grown = await app.request(`/${HASH}/checkpoint`, { headers: { 'if-none-match': tag } })
    expect(grown.status).toBe(200)
  })

  it.each([
    ['a log that was never cosigned', originHash('log.example/never')],
    ['capitals', HASH.toUpperCase()],
    ['half a hash', HASH.slice(0, 32)],
    ['a longer one', `${HASH}0`],
    ['an origin', 'log.example'],
  ])('is not found for %s', async (_, name) => {
    const answer = await app.request(`/${name}/checkpoint`)
    expect(answer.status).toBe(404)
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })
})

describe('methods and paths', () => {
  it.each([
    ['GET', '/add-checkpoint', 405, 'POST, OPTIONS'],
    ['HEAD', '/add-checkpoint', 405, 'POST, OPTIONS'],
    ['PUT', '/add-checkpoint', 405, 'POST, OPTIONS'],
    ['OPTIONS', '/add-checkpoint', 204, 'POST, OPTIONS'],
    ['POST', `/${HASH}/checkpoint`, 405, 'GET, HEAD, OPTIONS'],
    ['OPTIONS', `/${HASH}/checkpoint`, 204, 'GET, HEAD, OPTIONS'],
    ['HEAD', `/${HASH}/checkpoint`, 200, null],
    ['PATCH', '/v1/logs', 405, 'GET, POST, HEAD, OPTIONS'],
    ['GET', `/v1/logs/${HASH}`, 405, 'DELETE, OPTIONS'],
    ['POST', '/add-checkpoint/', 404, null],
    ['POST', '//add-checkpoint', 404, null],
    ['POST', '/Add-Checkpoint', 404, null],
    ['POST', '/add%2dcheckpoint', 400, null],
    ['POST', '/v1/add-checkpoint', 404, null],
    ['GET', '/checkpoint', 404, null],
    ['GET', `/${HASH}/checkpoint/`, 404, null],
    ['GET', `/${HASH}`, 404, null],
    ['GET', '/..%2f', 400, null],
  ])('%s %s: %s', async (method, path, status, allow) => {
    const answer = await app.request(path, { method })
    expect([answer.status, answer.headers.get('allow')]).toEqual([status, allow])
    if (method === 'HEAD' || status === 204) expect(await answer.text()).toBe('')
  })
})
