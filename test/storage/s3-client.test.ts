/** What S3 servers answer that ours do not: those that are overloaded, or go wrong. Here a server says what a test says. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { openS3Store, type S3Options, type S3Store } from '../../src/storage/s3.ts'
import { afterThisTest } from '../support/endings.ts'
import { HEAD, TILE } from './object-conformance.ts'

const EMPTY = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'

type Answer = (response: ServerResponse, request: IncomingMessage, count: number) => void

/** A store on a server that answers each request by a function, after the look at its opening. */
async function storeOn(
  answer: Answer,
  changes: Partial<S3Options> = {},
): Promise<{ store: S3Store; asked: IncomingMessage[]; endpoint: string }> {
  const asked: IncomingMessage[] = []
  let isOpen = false
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      if (!isOpen) {
        response.end(EMPTY)
        return
      }
      asked.push(request)
      answer(response, request, asked.length)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterThisTest(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const credentials = { accessKeyId: 'key', secretAccessKey: 'secret', sessionToken: 'token' }
  const store = await openS3Store({
    bucket: 'bucket',
    prefix: 'log',
    endpoint,
    region: 'us-east-1',
    credentials: {
      place: 'the test',
      current: async () => credentials,
      renewed: async () => undefined,
    },
    ...changes,
  })
  afterThisTest(() => store.close())
  isOpen = true
  return { store, asked, endpoint }
}

function refuse(response: ServerResponse, status: number, code: string, more = ''): void {
  response.statusCode = status
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code>${more}</Error>`)
}

describe('an S3 server that is overloaded', () => {
  it.each([
    [503, 'SlowDown'],
    [500, 'InternalError'],
    [429, 'TooManyRequests'],
    [400, 'RequestTimeout'],
    [502, ''],
  ])('is asked again after %i %s', async (status, code) => {
    const { store, asked } = await storeOn((response, _request, count) => {
      if (count < 3) refuse(response, status, code)
      else response.end('bytes')
    })
    expect((await store.get('a'))?.bytes).toEqual(utf8('bytes'))
    expect(asked).toHaveLength(3)
    expect(store.usage().requests.get).toBe(3)
  })

  it('is given up after some attempts, as what may be worth trying later', async () => {
    const { store, asked, endpoint } = await storeOn((response) =>
      refuse(response, 503, 'SlowDown', '<Message>Please reduce your request rate.</Message>'),
    )
    await expect(store.get('a')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: `cannot read s3://bucket/log/a: ${endpoint} says 503 SlowDown: Please reduce your request rate.`,
    })
    expect(asked).toHaveLength(5)
  })

  it('is left alone for as long as it asks', async () => {
    const { store } = await storeOn((response, _request, count) => {
      if (count > 1) {
        response.end('bytes')
        return
      }
      response.setHeader('retry-after', '1')
      refuse(response, 503, 'SlowDown')
    })
    const begun = performance.now()
    await store.get('a')
    expect(performance.now() - begun).toBeGreaterThanOrEqual(990)
  })

  it('is not asked again for what it cannot do', async () => {
    const { store, asked } = await storeOn((response) => refuse(response, 501, 'NotImplemented'))
    await expect(store.get('a')).rejects.toMatchObject({ code: 'IO' })
    expect(asked).toHaveLength(1)
  })
})

describe('an S3 server that goes wrong', () => {
  it('is not believed an answer that is cut off', async () => {
    const { store, asked } = await storeOn((response, _request, count) => {
      if (count > 1) {
        response.end('whole')
        return
      }
      response.setHeader('content-length', '100')
      response.write('half')
      setTimeout(() => response.destroy(), 20)
    })
    expect((await store.get('a'))?.bytes).toEqual(utf8('whole'))
    expect(asked).toHaveLength(2)
  })

  it('is not believed a page that is no answer of S3', async () => {
    const { store } = await storeOn((response) => response.end('<html>Please log in</html>'))
    await expect(store.list('')).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('the list of s3://bucket/log'),
    })
  })

  it.each([
    ['names that were not asked for', ['other/a'], 'was not asked for'],
    ['names out of order', ['log/b', 'log/a'], 'out of order'],
    ['a name twice', ['log/b', 'log/b'], 'out of order'],
    ['names before those asked for', ['log/a'], 'out of order'],
  ])('is not believed a list with %s', async (_what, keys, says) => {
    const entries = keys.map((key) => `<Contents><Key>${key}</Key></Contents>`).join('')
    const { store } = await storeOn((response) =>
      response.end(`<ListBucketResult>${entries}</ListBucketResult>`),
    )
    await expect(store.list('', { after: 'a' })).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining(says),
    })
  })

  it('is not asked for ever for a list that does not go on', async () => {
    const { store, asked } = await storeOn((response) =>
      response.end('<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>'),
    )
    await expect(store.list('')).rejects.toMatchObject({ code: 'IO' })
    expect(asked).toHaveLength(1)
  })

  it('is told apart from a bucket elsewhere', async () => {
    const { store, endpoint } = await storeOn((response) => {
      response.setHeader('x-amz-bucket-region', 'eu-west-1')
      refuse(response, 301, 'PermanentRedirect')
    })
    await expect(store.get('a')).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: `cannot read s3://bucket/log/a: ${endpoint} says 301 PermanentRedirect: the bucket is in another region, eu-west-1: set s3-region, and s3-endpoint to match`,
    })
  })

  it('cannot have an object taken for locked that it did not lock', async () => {
    const { store } = await storeOn((response, request, count) => {
      // The second of two equal objects is refused.
      if (count === 2) response.statusCode = 412
      if (request.url?.endsWith('retention=')) response.statusCode = 404
      response.end()
    })
    const lock = { mode: 'compliance', until: Date.now() + 60_000, legalHold: false } as const
    const refusal = {
      code: 'FORBIDDEN',
      message: expect.stringContaining('s3://bucket/log/a was stored but not locked'),
    }
    await expect(store.create('a', utf8(''), TILE, lock)).rejects.toMatchObject(refusal)
    // Nor is it forgotten when the archiver tries again, or goes on to the next.
    await expect(store.create('a', utf8(''), TILE, lock)).rejects.toMatchObject(refusal)
    await expect(store.create('b', utf8(''), TILE, lock)).rejects.toMatchObject(refusal)
  })

  it('that has another object by the same name each time is no place for objects', async () => {
    const { store } = await storeOn((response, request, count) => {
      response.end(request.method === 'GET' ? `other ${count}` : '')
    })
    await expect(store.create('a', utf8('x'), TILE)).rejects.toMatchObject({
      code: 'CORRUPT',
      message: 's3://bucket/log/a is there with other bytes, and is left as it is',
    })
  })
})

describe('a request to S3', () => {
  it('is signed with all of its headers, and says how to check its body', async () => {
    const { store, asked } = await storeOn((response) => response.end())
    await store.replace('checkpoint', utf8('head'), HEAD)
    const { headers, url } = asked[0]!
    expect(url).toBe('/bucket/log/checkpoint')
    expect(headers['content-length']).toBe('4')
    expect(headers['content-md5']).toBe('luiaKY4Kn0abmuRY1q+unw==')
    expect(headers['x-amz-security-token']).toBe('token')
    const signed = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1]?.split(';')
    for (const name of ['cache-control', 'content-md5', 'content-type', 'host', 'x-amz-date']) {
      expect(signed).toContain(name)
    }
  })

  it('writes names as they are signed', async () => {
    const { store, asked } = await storeOn((response) => response.end('x'))
    await store.get('a+b@c=d')
    expect(asked[0]!.url).toBe('/bucket/log/a%2Bb%40c%3Dd')
  })

  it('is for no more than as many at once as it may', async () => {
    let underWay = 0
    let most = 0
    const { store } = await storeOn(
      (response) => {
        most = Math.max(most, ++underWay)
        setTimeout(() => {
          underWay--
          response.end('x')
        }, 5)
      },
      { concurrency: 4 },
    )
    await Promise.all(Array.from({ length: 30 }, (_, i) => store.get(`a/${i}`)))
    expect(most).toBe(4)
  })
})
