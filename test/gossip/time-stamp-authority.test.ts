/** Heads that are time-stamped by openssl's authority, verified by ours and by openssl, and answers that are no good. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { verifyTimeStamp } from '../../src/client/verify-time-stamp.ts'
import { CairnError } from '../../src/errors.ts'
import { parseCertificates, type X509Certificate } from '../../src/formats/certificate.ts'
import { formatTimeStampRequest, nonceFrom } from '../../src/formats/time-stamp.ts'
import { headName } from '../../src/gossip/head-files.ts'
import type { HeadSink } from '../../src/gossip/sink.ts'
import { timeStampAuthority } from '../../src/gossip/time-stamp-authority.ts'
import {
  hasOpenssl,
  type OpensslAuthority,
  opensslAuthority,
} from '../support/openssl-authority.ts'
import { headAt, newFolder, noSignal, type Place } from './heads.ts'

const REPLY = 'application/timestamp-reply'

describe.runIf(hasOpenssl())('a time-stamp authority', () => {
  let authority: OpensslAuthority
  let anchors: readonly X509Certificate[]
  let place: Place
  let sink: HeadSink

  beforeAll(async () => {
    authority = await opensslAuthority()
    anchors = parseCertificates(await readFile(authority.caFile))
  })
  afterAll(() => authority?.close())
  beforeEach(async () => {
    place = await newFolder()
    sink = timeStampAuthority({
      name: 'tsa',
      url: authority.url,
      directory: place.at('stamps'),
      anchors,
    })
  })
  afterEach(async () => {
    authority.answerBy()
    await place.discard()
  })

  const send = (size = 7, signal = noSignal()) => sink.send(headAt(size), signal)
  const kept = () => readdir(place.at('stamps')).catch(() => [])

  /** What openssl thinks of a file. */
  function opensslVerifies(stamp: string, data: string, ...more: string[]): string {
    const args = [
      'ts',
      '-verify',
      '-in',
      stamp,
      '-data',
      data,
      '-CAfile',
      authority.caFile,
      ...more,
    ]
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  }

  it('stamps a head, which is kept so that anybody can verify it', async () => {
    const before = Date.now()
    const receipt = await send()
    expect(receipt?.detail).toMatch(
      /^time-stamped by CN=Time-Stamp Unit 1, O=Time of Day on .* UTC, give or take 1\.5 seconds$/,
    )
    const name = headName(headAt(7))
    expect((await kept()).sort()).toEqual([`${name}.checkpoint`, `${name}.tsr`])
    const data = await readFile(place.at('stamps', `${name}.checkpoint`))
    expect(data.toString()).toBe(headAt(7).checkpoint)
    const response = await readFile(place.at('stamps', `${name}.tsr`))
    const { ok, proven } = await verifyTimeStamp({ data, response, anchors })
    expect(ok).toBe(true)
    expect(proven?.time).toBeGreaterThan(before - 2_000)
    expect(proven?.time).toBeLessThan(Date.now() + 2_000)
    expect(proven?.policy).toBe('1.3.6.1.4.1.55555.3')
  })

  it('stamps so that openssl agrees', async () => {
    await send()
    const name = place.at('stamps', headName(headAt(7)))
    expect(opensslVerifies(`${name}.tsr`, `${name}.checkpoint`)).toBe('Verification: OK\n')
    await writeFile(place.at('other'), 'something else')
    expect(() => opensslVerifies(`${name}.tsr`, place.at('other'))).toThrow(/imprint mismatch/)
  })

  it('stamps the same head again without losing the first stamp', async () => {
    await send()
    const name = headName(headAt(7))
    const first = await readFile(place.at('stamps', `${name}.tsr`))
    await send()
    const files = (await kept()).sort()
    expect(files).toHaveLength(3)
    const again = files.find((file) => /^7-[0-9a-f]{8}-\d{8}T\d{6}Z\.tsr$/.test(file))!
    expect(await readFile(place.at('stamps', `${name}.tsr`))).toEqual(first)
    const data = utf8(headAt(7).checkpoint)
    const response = await readFile(place.at('stamps', again))
    expect((await verifyTimeStamp({ data, response, anchors })).ok).toBe(true)
  })

  it('gets the authorization that it asks for', async () => {
    let seen: string | undefined
    const server = authority
    server.answerBy(async (query, response) => {
      seen = response.req.headers.authorization
      response.writeHead(200, { 'content-type': REPLY }).end(await server.reply(query))
    })
    sink = timeStampAuthority({
      name: 'tsa',
      url: authority.url,
      directory: place.at('stamps'),
      anchors,
      authorization: async () => 'Basic bG9nOnNlY3JldA==',
    })
    await send()
    expect(seen).toBe('Basic bG9nOnNlY3JldA==')
  })

  /** That what is answered is refused for a reason, and nothing is kept. */
  async function expectRefused(
    answer: (query: Uint8Array, response: ServerResponse) => unknown,
    code: string,
    reason: RegExp,
  ): Promise<void> {
    authority.answerBy(answer)
    const error = await send().then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(CairnError)
    expect((error as CairnError).message).toMatch(reason)
    expect((error as CairnError).code).toBe(code)
    expect((error as CairnError).message).not.toMatch(/127\.0\.0\.1|cairn-gossip/)
    expect(await kept()).toEqual([])
  }

  const answerWith =
    (body: Uint8Array | string, type = REPLY, status = 200) =>
    (_: Uint8Array, response: ServerResponse) =>
      response.writeHead(status, { 'content-type': type }).end(body)

  it('is refused when it answers another request', async () => {
    const { checkpoint } = headAt(7)
    const sha256 = Buffer.from(
      await crypto.subtle.digest('SHA-256', utf8(checkpoint) as Uint8Array<ArrayBuffer>),
    )
    const older = await authority.reply(formatTimeStampRequest(sha256, nonceFrom(randomBytes(8))))
    await expectRefused(answerWith(older), 'VERIFICATION_FAILED', /the nonce is not the one/)
  })

  it('is refused when it stamps something else', async () => {
    const nonce = nonceFrom(randomBytes(8))
    const other = await authority.reply(formatTimeStampRequest(randomBytes(32), nonce))
    await expectRefused(answerWith(other), 'VERIFICATION_FAILED', /it is for other bytes/)
  })

  it('is refused when openssl itself refuses', async () => {
    const query = formatTimeStampRequest(randomBytes(32), nonceFrom(randomBytes(8)))
    // The name of SHA-256 becomes that of SHA-512, which this authority does not take.
    const name = Buffer.from(query).indexOf(Buffer.from('608648016503040201', 'hex'))
    query[name + 8] = 3
    const refusal = await authority.reply(query)
    await expectRefused(
      answerWith(refusal),
      'VERIFICATION_FAILED',
      /the time-stamp authority refused: status 2, "Message digest algorithm is not supported."/,
    )
  })

  it('is refused when a byte of its answer was changed', async () => {
    await expectRefused(
      async (query, response) => {
        const reply = Buffer.from(await authority.reply(query))
        reply[reply.length - 20]! ^= 1
        response.writeHead(200, { 'content-type': REPLY }).end(reply)
      },
      'VERIFICATION_FAILED',
      /its answer is refused: the signature is not valid/,
    )
  })

  it('is refused when its certificates lead to nobody who is trusted', async () => {
    const other = await opensslAuthority()
    try {
      await expectRefused(
        async (query, response) => {
          const reply = await other.reply(query)
          response.writeHead(200, { 'content-type': REPLY }).end(reply)
        },
        'VERIFICATION_FAILED',
        /has not issued the certificate|no trusted certificate leads to it/,
      )
    } finally {
      await other.close()
    }
  })

  it.each<[string, Parameters<typeof answerWith>, string, RegExp]>([
    ['garbage', ['garbage'], 'VERIFICATION_FAILED', /refused: time-stamp response/],
    ['nothing', [''], 'VERIFICATION_FAILED', /refused: time-stamp response/],
    [
      'another type',
      ['x', 'text/html'],
      'MALFORMED',
      /not of the type application\/timestamp-reply/,
    ],
    ['an error', ['x', REPLY, 500], 'IO', /^answered with status 500$/],
    ['a redirect', ['x', REPLY, 302], 'IO', /status 302, a redirect, which is not followed/],
    ['a huge body', [new Uint8Array(300_000)], 'TOO_LARGE', /larger than 262144 bytes/],
  ])('is refused when it answers with %s', async (_, answer, code, reason) => {
    await expectRefused(answerWith(...answer), code, reason)
  })

  it('is refused when it is not there', async () => {
    const url = 'http://127.0.0.1:1/'
    sink = timeStampAuthority({ name: 'tsa', url, directory: place.at('stamps'), anchors })
    await expectRefused(() => {}, 'IO', /^cannot be reached \((ECONNREFUSED|unknown reason)\)$/)
  })

  it('is left alone when it hangs', async () => {
    authority.answerBy(() => {})
    await expect(send(7, AbortSignal.timeout(60))).rejects.toThrow(/timeout/)
    expect(await kept()).toEqual([])
  })

  it('is of no use when its answers cannot be kept', async () => {
    await writeFile(place.at('stamps'), 'a file where a directory should be')
    await expect(send()).rejects.toThrow(/^cannot be written \((EEXIST|ENOTDIR)\)$/)
  })

  it.skipIf(process.getuid?.() === 0)('says so where it may not write', async () => {
    await chmod(place.path, 0o500)
    await expect(send()).rejects.toThrow('cannot be written (EACCES)')
    await chmod(place.path, 0o700)
  })
})
