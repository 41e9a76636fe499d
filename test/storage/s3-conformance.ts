/** What the S3 object store must do with a real server of a kind. The test of each kind of server runs this suite. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { openS3Store, type S3Options, type S3Store } from '../../src/storage/s3.ts'
import type { CreateMode } from '../../src/storage/s3-create.ts'
import { openS3Credentials, type S3CredentialSource } from '../../src/storage/s3-credentials.ts'
import type { ReplaceMode } from '../../src/storage/s3-replace.ts'
import { afterThisFile, afterThisTest } from '../support/endings.ts'
import { isS3Missing, type S3Key, type S3Server, startS3 } from '../support/s3.ts'
import type { S3Kind } from '../support/s3-programs.ts'
import { bytesOf, HEAD, objectStoreConformance, TILE } from './object-conformance.ts'

export function fixedCredentials({ accessKey, secretKey }: S3Key): S3CredentialSource {
  const credentials = {
    accessKeyId: accessKey,
    secretAccessKey: secretKey,
    sessionToken: undefined,
  }
  return {
    place: 'the test',
    current: async () => credentials,
    renewed: async () => undefined,
  }
}

export function s3Options(s3: S3Server, bucket: string, prefix: string): S3Options {
  const { endpoint, region } = s3
  return { bucket, prefix, endpoint, region, credentials: fixedCredentials(s3) }
}

const newPrefix = (): string => `log-${randomBytes(6).toString('hex')}`

/** What a kind of server does differently from others. */
export interface S3Traits {
  /** How its buckets tell that an object is there: as they are made, with versions, and with Object Lock. */
  readonly modes: readonly [CreateMode, CreateMode, CreateMode]
  /** Whether they replace only the version that they are told to. */
  readonly replaces: readonly [ReplaceMode, ReplaceMode, ReplaceMode]
  /** Whether it tells what is wrong with a key. Ceph says of all that access is denied, where it gives keys that expire. */
  readonly tellsWhy: boolean
  /** Whether a legal hold holds an object that was to be kept for some time, which is over. */
  readonly holdsLonger: boolean
  /** Whether a signature for another region is refused. */
  readonly knowsRegions: boolean
}

export function s3Conformance(kind: S3Kind, traits: S3Traits): void {
  if (isS3Missing(kind)) {
    it.skip(`runs against ${kind}, which is not here`, () => undefined)
    return
  }
  let s3: S3Server
  beforeAll(async () => {
    s3 = await startS3({ kind })
    afterThisFile(() => s3.stop())
  })

  describe.each([
    ['a bucket', {}, traits.modes[0], traits.replaces[0]],
    ['a bucket with versions', { versions: true }, traits.modes[1], traits.replaces[1]],
    ['a bucket with Object Lock', { lock: true }, traits.modes[2], traits.replaces[2]],
  ])('%s', (title, made, mode, replaces) => {
    let bucket: string
    beforeAll(async () => {
      bucket = await s3.newBucket(made)
    })

    it('is known to keep objects from being replaced, or not to, and shows no trace of the trial', async () => {
      const store = await openS3Store(s3Options(s3, bucket, newPrefix()))
      expect(await store.createMode()).toBe(mode)
      expect(await store.list('')).toEqual([])
      const { text } = await s3.request(
        'GET',
        `/${bucket}?prefix=${store.place.split('/')[3]}&versions=`,
      )
      expect(text.match(/<Version>/g)).toBeNull()
      await store.close()
    })

    it('is known the same to many that ask at once', async () => {
      const options = s3Options(s3, bucket, newPrefix())
      const stores = await Promise.all(Array.from({ length: 8 }, () => openS3Store(options)))
      const modes = await Promise.all(stores.map((store) => store.createMode()))
      expect(new Set(modes)).toEqual(new Set([mode]))
      for (const store of stores) await store.close()
    })

    it('replaces what it is told to, and nothing that came after it', async () => {
      const options = s3Options(s3, bucket, newPrefix())
      const [early, late] = [await openS3Store(options), await openS3Store(options)]
      const write = (store: S3Store, text: string, over: string | undefined) =>
        store.replace('checkpoint', utf8(text), HEAD, over)
      expect(early.replaceMode()).toBe('unknown')
      const first = await write(early, 'head 1', 'nothing')
      expect(await write(late, 'head 1', 'nothing')).toBe(first)
      expect((await late.get('checkpoint'))?.version).toBe(first)
      const second = await write(late, 'head 2', first)
      expect(late.replaceMode()).toBe(replaces)
      // What was on its way since before.
      const behind = [write(early, 'head 1, renewed', first), write(early, 'none', 'nothing')]
      const outcomes = await Promise.allSettled(behind)
      if (replaces === 'conditional') {
        const refused = { code: 'CONFLICT', message: expect.stringContaining('/checkpoint was') }
        for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: refused })
        expect(await late.get('checkpoint')).toMatchObject({ bytes: utf8('head 2') })
      }
      // One that was made, and is sent again because its answer was lost.
      const third = await write(late, 'head 3', (await late.get('checkpoint'))?.version)
      if (replaces === 'conditional') expect(await write(late, 'head 3', second)).toBe(third)
      await early.close()
      await late.close()
    })

    it('replaces one version once, however many want to at once', async () => {
      const store = await openS3Store(s3Options(s3, bucket, newPrefix()))
      let version = await store.replace('checkpoint', utf8('start'), HEAD)
      version = await store.replace('checkpoint', utf8('known'), HEAD, version)
      for (let round = 0; round < 3; round++) {
        const tries = Array.from({ length: 24 }, (_, i) =>
          store.replace('checkpoint', utf8(`${round} ${i}`), HEAD, version),
        )
        const done = (await Promise.allSettled(tries)).filter((one) => one.status === 'fulfilled')
        if (replaces === 'conditional') expect(done).toHaveLength(1)
        const there = await store.get('checkpoint')
        if (replaces === 'conditional') expect(there?.version).toBe(done[0]!.value)
        version = there?.version
      }
      await store.close()
    })

    objectStoreConformance(
      `${title} of ${kind}`,
      async () => {
        const options = s3Options(s3, bucket, newPrefix())
        return { open: () => openS3Store(options), remove: async () => undefined }
      },
      { randomRuns: 4 },
    )
  })

  describe(`an S3 store on ${kind}`, () => {
    let bucket: string
    beforeAll(async () => {
      bucket = await s3.newBucket()
    })

    async function open(changes: Partial<S3Options> = {}): Promise<S3Store> {
      const store = await openS3Store({ ...s3Options(s3, bucket, newPrefix()), ...changes })
      afterThisTest(() => store.close())
      return store
    }

    const pathOf = (store: S3Store, name: string): string =>
      `/${store.place.slice('s3://'.length)}/${name}`

    it('gives objects the type and the caching that readers of the bucket see', async () => {
      const store = await open()
      await store.create('tile/0/000', utf8('x'), TILE)
      await store.replace('checkpoint', utf8('x'), HEAD)
      for (const [name, metadata] of [
        ['tile/0/000', TILE],
        ['checkpoint', HEAD],
      ] as const) {
        const { headers } = await s3.request('GET', pathOf(store, name))
        expect(headers.get('content-type')).toBe(metadata.contentType)
        expect(headers.get('cache-control')).toBe(metadata.cacheControl)
        expect((await store.get(name))?.contentType).toBe(metadata.contentType)
      }
    })

    it('works on the whole of a bucket, and shows what others put there', async () => {
      const own = await s3.newBucket()
      const store = await open({ bucket: own, prefix: '' })
      expect(store.place).toBe(`s3://${own}`)
      await store.create('checkpoint', utf8('x'), HEAD)
      await s3.request('PUT', `/${own}/other%20%26%20foreign`, { body: 'x' })
      expect(await store.list('')).toEqual(['checkpoint', 'other & foreign'])
    })

    it('keeps to its prefix', async () => {
      const prefix = newPrefix()
      const [log, other, below] = [
        await open({ prefix }),
        await open({ prefix: `${prefix}2` }),
        await open({ prefix: `${prefix}/below` }),
      ]
      await log.create('a', utf8('log'), TILE)
      await other.create('a', utf8('other'), TILE)
      await below.create('a', utf8('below'), TILE)
      expect(await log.list('')).toEqual(['a', 'below/a'])
      expect(await other.list('')).toEqual(['a'])
      expect(await bytesOf(below, 'a')).toEqual(utf8('below'))
    })

    it('has a prefix of any characters that settings take', async () => {
      const store = await open({ prefix: "it's-(a)/log!*_" })
      await store.create('tile/0/x001/000', utf8('x'), TILE)
      expect(await store.create('tile/0/x001/000', utf8('x'), TILE)).toBe('there')
      expect(await store.list('tile/')).toEqual(['tile/0/x001/000'])
    })

    it('creates objects in the storage class that is asked for', async ({ skip }) => {
      if (s3.storageClass === undefined) return skip(`${kind} has one class`)
      const store = await open({ storageClass: s3.storageClass })
      await store.create('a', utf8('x'), TILE)
      await store.replace('checkpoint', utf8('x'), HEAD)
      expect((await store.get('a'))?.storageClass).toBe(s3.storageClass)
      expect((await store.get('checkpoint'))?.storageClass).not.toBe(s3.storageClass)
    })

    it('goes through the pages of a long list', async () => {
      const store = await open({ concurrency: 32 })
      const names = Array.from({ length: 1_030 }, (_, i) => `n/${String(i).padStart(4, '0')}`)
      await Promise.all(names.map((name) => store.replace(name, utf8('x'), TILE)))
      expect(await store.list('n/')).toEqual(names)
      expect(await store.list('n/', { limit: 1_010 })).toEqual(names.slice(0, 1_010))
      expect(await store.list('n/', { after: 'n/0010' })).toEqual(names.slice(11))
    }, 120_000)

    it('counts what it asks of the server', async () => {
      const store = await open()
      const before = store.usage()
      await store.replace('checkpoint', utf8('12345'), HEAD)
      await store.get('checkpoint')
      await store.get('checkpoint')
      await store.list('')
      await store.remove('checkpoint')
      const { requests, bytesUp, bytesDown } = store.usage()
      const list = before.requests.list + 1
      expect(requests).toEqual({ put: 1, get: 2, list, delete: 1, settings: 0 })
      expect(bytesUp - before.bytesUp).toBe(5)
      expect(bytesDown - before.bytesDown).toBeGreaterThan(10)
    })

    it('keeps its connections, and has no more than it may', async () => {
      const store = await open({ concurrency: 3 })
      const before = s3.connections()
      const names = Array.from({ length: 60 }, (_, i) => `k/${i}`)
      await Promise.all(names.map((name) => store.create(name, utf8(name), TILE)))
      expect(s3.connections() - before).toBeLessThanOrEqual(3)
    })

    it('says which bucket is missing, and where', async () => {
      const missing = `${bucket}-gone`
      const refusal = {
        code: 'NOT_FOUND',
        message: expect.stringContaining(`${s3.endpoint} has no bucket ${missing}`),
      }
      await expect(open({ bucket: missing })).rejects.toMatchObject(refusal)
      const passing = await s3.newBucket()
      const store = await open({ bucket: passing })
      await store.createMode()
      expect((await s3.request('DELETE', `/${passing}`)).status).toBe(204)
      const gone = { code: 'NOT_FOUND', message: expect.stringContaining(`no bucket ${passing}`) }
      await expect(store.get('a')).rejects.toMatchObject(gone)
      await expect(store.create('a', utf8('x'), TILE)).rejects.toMatchObject(gone)
      await expect(store.replace('a', utf8('x'), TILE)).rejects.toMatchObject(gone)
      await expect(store.remove('a')).rejects.toMatchObject(gone)
      await expect(store.list('')).rejects.toMatchObject(gone)
    })

    it('says of wrong keys what is wrong with them', async () => {
      const { accessKey, secretKey } = s3
      await expect(
        open({ credentials: fixedCredentials({ accessKey: 'nobody', secretKey }) }),
      ).rejects.toMatchObject({
        code: 'FORBIDDEN',
        message: expect.stringMatching(
          traits.tellsWhy ? /InvalidAccessKeyId.*the test.*access key/ : /the test.*not valid/,
        ),
      })
      await expect(
        open({ credentials: fixedCredentials({ accessKey, secretKey: 'wrong' }) }),
      ).rejects.toMatchObject({
        code: 'FORBIDDEN',
        message: expect.stringMatching(
          traits.tellsWhy ? /SignatureDoesNotMatch.*secret key/ : /the test.*not valid/,
        ),
      })
    })

    it('reads a bucket that it may not write', async () => {
      const shown = await s3.newBucket()
      const prefix = newPrefix()
      const writer = await open({ bucket: shown, prefix })
      await writer.create('a', utf8('x'), TILE)
      const credentials = fixedCredentials(await s3.newReader(shown))
      const store = await open({ bucket: shown, prefix, credentials })
      expect(await bytesOf(store, 'a')).toEqual(utf8('x'))
      expect(await store.list('')).toEqual(['a'])
      const refusal = {
        code: 'FORBIDDEN',
        message: expect.stringMatching(/AccessDenied.*do not allow it.*read-only/),
      }
      await expect(store.create('b', utf8('x'), TILE)).rejects.toMatchObject(refusal)
      await expect(store.replace('a', utf8('y'), TILE)).rejects.toMatchObject(refusal)
      await expect(store.remove('a')).rejects.toMatchObject(refusal)
      expect(await bytesOf(store, 'a')).toEqual(utf8('x'))
    })

    it('does without being allowed to remove anything', async () => {
      const own = await s3.newBucket()
      const mayAdd = ['s3:GetObject', 's3:PutObject', 's3:ListBucket']
      const credentials = fixedCredentials(await s3.newUser(own, mayAdd))
      const prefix = newPrefix()
      for (const outcome of ['created', 'there']) {
        const store = await open({ bucket: own, prefix, credentials })
        expect(await store.createMode()).toBe(traits.modes[0])
        expect(await store.create('a', utf8('x'), TILE)).toBe(outcome)
        await store.replace('checkpoint', utf8(outcome), HEAD)
        expect(await store.list('')).toEqual(['a', 'checkpoint'])
        await expect(store.create('a', utf8('y'), TILE)).rejects.toMatchObject({ code: 'CORRUPT' })
        await expect(store.remove('a')).rejects.toMatchObject({ code: 'FORBIDDEN' })
      }
    })

    it('says what the clocks are when they differ too much', async () => {
      const store = await open()
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 })
      try {
        await expect(store.get('a')).rejects.toMatchObject({
          code: 'FORBIDDEN',
          message: expect.stringMatching(/RequestTimeTooSkewed.*clock of this machine/),
        })
      } finally {
        vi.useRealTimers()
      }
      expect(await store.get('a')).toBeUndefined()
    })

    it.runIf(traits.knowsRegions)('says that the bucket is in another region', async () => {
      await expect(open({ region: 'eu-central-9' })).rejects.toMatchObject({
        code: 'FORBIDDEN',
        message: expect.stringMatching(/another region.*set s3-region/),
      })
    })

    describe('whose credentials are in a file', () => {
      async function fileWith(key: S3Key & { readonly token?: string }): Promise<string> {
        const directory = await mkdtemp(join(tmpdir(), 'cairn-credentials-'))
        afterThisTest(() => rm(directory, { recursive: true }))
        const path = join(directory, 'credentials')
        await write(path, key)
        return path
      }

      async function write(
        path: string,
        { accessKey, secretKey, token }: S3Key & { readonly token?: string },
      ): Promise<void> {
        const lines = [
          '[default]',
          `aws_access_key_id = ${accessKey}`,
          `aws_secret_access_key = ${secretKey}`,
          ...(token === undefined ? [] : [`aws_session_token = ${token}`]),
        ]
        await writeFile(path, `${lines.join('\n')}\n`)
      }

      it('goes on with another key when one is taken away', async () => {
        const [old, next] = [await s3.newKey(), await s3.newKey()]
        const path = await fileWith(old)
        const store = await open({
          credentials: await openS3Credentials(path, { environment: {} }),
        })
        await store.create('a', utf8('x'), TILE)
        await s3.removeKey(old.accessKey)
        await expect(store.create('b', utf8('x'), TILE)).rejects.toMatchObject({
          code: 'FORBIDDEN',
          message: expect.stringContaining(path),
        })
        await write(path, next)
        const names = Array.from({ length: 12 }, (_, i) => `c/${i}`)
        await Promise.all(names.map((name) => store.create(name, utf8('x'), TILE)))
        expect(await store.list('')).toHaveLength(13)
      })

      it('goes on with a new key that was written before the old one was taken away', async () => {
        const [old, next] = [await s3.newKey(), await s3.newKey()]
        const path = await fileWith(old)
        const store = await open({
          credentials: await openS3Credentials(path, { environment: {} }),
        })
        await write(path, next)
        await s3.removeKey(old.accessKey)
        expect(await store.create('a', utf8('x'), TILE)).toBe('created')
      })

      it('goes on with others when they have expired', async ({ skip }) => {
        if (s3.temporary === undefined) return skip(`${kind} gives none that expire`)
        const path = await fileWith(await s3.temporary(2))
        const store = await open({
          credentials: await openS3Credentials(path, { environment: {} }),
        })
        await store.create('a', utf8('x'), TILE)
        await sleep(3_500)
        await expect(store.create('b', utf8('x'), TILE)).rejects.toMatchObject({
          code: 'FORBIDDEN',
          message: expect.stringMatching(/have expired: renew them|not valid any more/),
        })
        await write(path, await s3.temporary(600))
        expect(await store.create('b', utf8('x'), TILE)).toBe('created')
      })
    })

    describe('when the server is away', () => {
      it('goes on by itself after a moment', async () => {
        const store = await open()
        await store.createMode()
        const away = s3.refuse(250)
        const names = Array.from({ length: 8 }, (_, i) => `a/${i}`)
        await Promise.all(names.map((name) => store.create(name, utf8(name), TILE)))
        await away
        expect(await store.list('')).toEqual(names)
      })

      it('says so before long, and goes on when it is back', async () => {
        const store = await open()
        s3.become('closed')
        afterThisTest(() => s3.become('open'))
        const begun = performance.now()
        const refusal = {
          code: 'UNAVAILABLE',
          message: expect.stringContaining(`${s3.endpoint} cannot be reached`),
        }
        await expect(store.create('a', utf8('x'), TILE)).rejects.toMatchObject(refusal)
        await expect(store.get('a')).rejects.toMatchObject(refusal)
        expect(performance.now() - begun).toBeLessThan(8_000)
        // One that is opened meanwhile is of use later.
        const opened = await open()
        s3.become('open')
        expect(await store.create('a', utf8('x'), TILE)).toBe('created')
        expect(await opened.create('a', utf8('x'), TILE)).toBe('created')
      })

      it('waits no longer than it may for an answer', async () => {
        const store = await open({ timeout: 600 })
        s3.become('silent')
        afterThisTest(() => s3.become('open'))
        await expect(store.replace('a', utf8('x'), HEAD)).rejects.toMatchObject({
          code: 'UNAVAILABLE',
          message: expect.stringContaining('does not answer in time'),
        })
        s3.become('open')
        await store.replace('a', utf8('y'), HEAD)
        expect(await bytesOf(store, 'a')).toEqual(utf8('y'))
      })

      it('stops waiting when it is closed', async () => {
        const store = await open()
        s3.become('silent')
        afterThisTest(() => s3.become('open'))
        const asking = store.get('a')
        setTimeout(() => store.close(), 50)
        await expect(asking).rejects.toMatchObject({ code: 'STOPPED' })
        await expect(store.get('a')).rejects.toMatchObject({ code: 'STOPPED' })
      })
    })
  })

  describe(`objects locked on ${kind}`, () => {
    let bucket: string
    let store: S3Store
    beforeAll(async () => {
      bucket = await s3.newBucket({ lock: true })
      store = await openS3Store(s3Options(s3, bucket, newPrefix()))
      afterThisFile(() => store.close())
    })

    const later = (seconds: number): number => Date.now() + seconds * 1_000

    async function versionsOf(name: string): Promise<string[]> {
      const key = `${store.place.split('/')[3]}/${name}`
      const { text } = await s3.request('GET', `/${bucket}?prefix=${key}&versions=`)
      return [...text.matchAll(/<Version>[\s\S]*?<VersionId>([^<]+)</g)].map(([, id]) => id!)
    }

    const pathOf = (name: string): string => `/${bucket}/${store.place.split('/')[3]}/${name}`

    it('cannot be deleted, nor kept for less long', async () => {
      const until = later(3_600)
      const lock = { mode: 'compliance', until, legalHold: false } as const
      expect(await store.create('tile/0/000', utf8('kept'), TILE, lock)).toBe('created')
      expect(await store.create('tile/0/000', utf8('kept'), TILE, lock)).toBe('there')
      await expect(store.create('tile/0/000', utf8('other'), TILE, lock)).rejects.toMatchObject({
        code: 'CORRUPT',
      })
      const { text } = await s3.request('GET', `${pathOf('tile/0/000')}?retention=`)
      expect(text).toContain('<Mode>COMPLIANCE</Mode>')
      const kept = Date.parse(/<RetainUntilDate>([^<]+)</.exec(text)![1]!)
      expect(kept - until).toBeGreaterThanOrEqual(0)
      expect(kept - until).toBeLessThan(1_000)

      const [version, ...others] = await versionsOf('tile/0/000')
      expect(others).toEqual([])
      const deleted = await s3.request('DELETE', `${pathOf('tile/0/000')}?versionId=${version}`)
      expect(deleted.status).toBe(403)
      const sooner = new Date(later(60)).toISOString()
      const shortened = await s3.request('PUT', `${pathOf('tile/0/000')}?retention=`, {
        body: `<Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Mode>COMPLIANCE</Mode><RetainUntilDate>${sooner}</RetainUntilDate></Retention>`,
      })
      expect(shortened.status).toBeGreaterThanOrEqual(400)
      const { text: still } = await s3.request('GET', `${pathOf('tile/0/000')}?retention=`)
      expect(still).toBe(text)
      expect(await bytesOf(store, 'tile/0/000')).toEqual(utf8('kept'))
    })

    it('can be under a legal hold', async () => {
      const until = later(traits.holdsLonger ? 1 : 60)
      const lock = { mode: 'governance', until, legalHold: true } as const
      await store.create('held', utf8('held'), TILE, lock)
      const { text } = await s3.request('GET', `${pathOf('held')}?legal-hold=`)
      expect(text).toContain('<Status>ON</Status>')
      if (traits.holdsLonger) await sleep(2_000)
      const [version] = await versionsOf('held')
      const deleted = await s3.request('DELETE', `${pathOf('held')}?versionId=${version}`)
      expect(deleted.status).toBe(403)
      if (!traits.holdsLonger) return
      const body = `<LegalHold xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>OFF</Status></LegalHold>`
      await s3.request('PUT', `${pathOf('held')}?legal-hold=`, { body })
      const after = await s3.request('DELETE', `${pathOf('held')}?versionId=${version}`)
      expect(after.status).toBe(204)
    })

    it('need a bucket that can lock them', async () => {
      const plain = await s3.newBucket()
      const unlocked = await openS3Store(s3Options(s3, plain, ''))
      afterThisTest(() => unlocked.close())
      const lock = { mode: 'compliance', until: later(60), legalHold: false } as const
      await expect(unlocked.create('a', utf8('x'), TILE, lock)).rejects.toMatchObject({
        code: 'FORBIDDEN',
        message: expect.stringMatching(/Object Lock/),
      })
    })
  })

  describe(`old objects on ${kind}`, () => {
    const names = 'tile/entries/'

    it('move to another storage class, by a rule beside those of others', async ({ skip }) => {
      if (s3.storageClass === undefined) return skip(`${kind} has no such rules`)
      const bucket = await s3.newBucket()
      const foreign = `<Rule><ID>theirs</ID><Filter><Prefix>tmp/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>7</Days></Expiration></Rule>`
      const body = `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${foreign}</LifecycleConfiguration>`
      const md5 = createHash('md5').update(body).digest('base64')
      await s3.request('PUT', `/${bucket}?lifecycle=`, { body, headers: { 'content-md5': md5 } })
      const store = await openS3Store(s3Options(s3, bucket, 'log'))
      afterThisTest(() => store.close())
      await store.create('tile/entries/000', utf8('bundle'), TILE)
      await store.create('tile/0/000', utf8('tile'), TILE)

      const { storageClass } = s3
      expect(await store.ensureTransition!({ names, storageClass, days: 3 })).toBe('set')
      expect(await store.ensureTransition!({ names, storageClass, days: 1 })).toBe('set')
      expect(await store.ensureTransition!({ names, storageClass, days: 1 })).toBe('there')
      const { text } = await s3.request('GET', `/${bucket}?lifecycle=`)
      expect(text.match(/<Rule>/g)).toHaveLength(2)
      expect(text).toContain('<ID>theirs</ID>')
      expect(text).toContain('<Prefix>tmp/</Prefix>')

      await vi.waitFor(
        async () => expect((await store.get('tile/entries/000'))?.storageClass).toBe(storageClass),
        { timeout: 50_000, interval: 500 },
      )
      expect(await bytesOf(store, 'tile/entries/000')).toEqual(utf8('bundle'))
      expect((await store.get('tile/0/000'))?.storageClass).not.toBe(storageClass)
      // It is still what was created.
      expect(await store.create('tile/entries/000', utf8('bundle'), TILE)).toBe('there')
    })

    it('stay when the server has no such rules, which is an error', async ({ skip }) => {
      if (s3.storageClass !== undefined) return skip(`${kind} has such rules`)
      const bucket = await s3.newBucket()
      const store = await openS3Store(s3Options(s3, bucket, 'log'))
      afterThisTest(() => store.close())
      await expect(
        store.ensureTransition!({ names, storageClass: 'COLD', days: 1 }),
      ).rejects.toMatchObject({
        code: 'IO',
        message: expect.stringMatching(/lifecycle rules of s3:\/\/.*NotImplemented/),
      })
    })
  })
}
