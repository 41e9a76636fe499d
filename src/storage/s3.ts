/**
 * An object store in S3 or a server that speaks its protocol: AWS, Ceph, versitygw and others. An object's key is the
 * prefix and its name. docs/object-storage.md says which servers were tried, and what the credentials must allow.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { fromUtf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { checkNamePrefix, checkObjectName } from './object-name.ts'
import type {
  ObjectLock,
  ObjectMetadata,
  ObjectStore,
  ObjectTransition,
  StoredObject,
} from './object-port.ts'
import { openS3Client, type S3Client, type S3Request, type S3Usage } from './s3-client.ts'
import {
  type CreateMode,
  createObject,
  isMissingBucket,
  PROBE,
  probeCreateMode,
} from './s3-create.ts'
import type { S3CredentialSource } from './s3-credentials.ts'
import { ensureTransition } from './s3-lifecycle.ts'
import { s3Endpoint, s3Place } from './s3-place.ts'
import { type ReplaceMode, s3Replacer } from './s3-replace.ts'
import { elementsOf, textOf } from './s3-xml.ts'

export interface S3Options {
  readonly bucket: string
  /** Before every name; empty for the whole bucket. */
  readonly prefix?: string
  /** Such as https://s3.example.org; AWS in the region unless given. */
  readonly endpoint?: string
  readonly region: string
  readonly credentials: S3CredentialSource
  /** PEM certificates, of which one must stand behind that of the server; those that Node knows unless given. */
  readonly authorities?: readonly string[]
  /** Of objects that are created; the bucket's own unless given. */
  readonly storageClass?: string
  /** Requests under way at once. Default 16. */
  readonly concurrency?: number
  /** Milliseconds in which a request must be answered before it is tried again. Default 30,000. */
  readonly timeout?: number
}

export interface S3Store extends ObjectStore {
  /** Requests and bytes since it was opened. */
  usage(): S3Usage
  /** How the bucket tells that an object is there already; found out at the first call or creation. */
  createMode(): Promise<CreateMode>
  /** Whether it replaces only the version that it is told to; found out at the first replacement of one. */
  replaceMode(): ReplaceMode
  /** As the port has it; of the rules of the bucket only its own is changed. @throws FORBIDDEN, UNAVAILABLE, IO */
  ensureTransition(transition: ObjectTransition): Promise<'set' | 'there'>
}

/** How long a bucket that does not answer is waited for when it is opened. */
const FIRST_ANSWER_MS = 5_000
/** The most names that servers give at once. */
const PAGE = 1_000
/** Every object is given with one of these. */
const STREAM = 'application/octet-stream'

/**
 * Opens a bucket that is there, after a look whether it can be used. A server that cannot be reached just now is no error
 * yet: each request will be.
 * @throws USAGE; NOT_FOUND when the bucket is missing; FORBIDDEN when the credentials may not read it
 */
export async function openS3Store(options: S3Options): Promise<S3Store> {
  const { region, credentials, concurrency = 16, timeout = 30_000 } = options
  const place = s3Place(options.bucket, options.prefix ?? '')
  const endpoint = s3Endpoint(options.endpoint, region)
  const { authorities } = options
  const client = openS3Client({
    ...{ place, endpoint, region, credentials, concurrency, timeout },
    ...(authorities && { authorities }),
  })
  const store = s3Store(client, options.storageClass)
  const listed = store.list('', { limit: 1 })
  listed.catch(() => undefined)
  try {
    // One that does not answer is waited for by those who need it, and not by a server that starts.
    await Promise.race([listed, sleep(FIRST_ANSWER_MS, undefined, { ref: false })])
  } catch (error) {
    if (!(error instanceof CairnError && error.code === 'UNAVAILABLE')) {
      client.close()
      throw error
    }
  }
  return store
}

function s3Store(client: S3Client, storageClass: string | undefined): S3Store {
  const { place } = client
  const keyOf = (name: string): string => `${place.prefix}${checkObjectName(name)}`
  const replacer = s3Replacer(client)
  let mode: Promise<CreateMode> | undefined
  /** The first object that was created to be locked; until it is known to be, nothing more is created so. */
  let firstLocked: string | undefined
  let isLockChecked = false

  /** Found out once; when that fails, by the next who asks. */
  function createMode(): Promise<CreateMode> {
    mode ??= probeCreateMode(client).catch((error: unknown) => {
      mode = undefined
      throw error
    })
    return mode
  }

  async function checkFirstLock(): Promise<void> {
    if (isLockChecked || firstLocked === undefined) return
    await checkLock(client, firstLocked)
    isLockChecked = true
  }

  return {
    place: place.text,
    usage: () => client.usage(),
    createMode,
    replaceMode: replacer.mode,
    ensureTransition: (transition) => ensureTransition(client, transition),

    async get(name) {
      const request: S3Request = {
        kind: 'get',
        method: 'GET',
        key: keyOf(name),
        verb: 'read',
        expected: [200, 404],
      }
      const answer = await client.send(request)
      if (answer.status === 200) return storedObject(answer.body, answer.headers)
      if (isMissingBucket(answer.body)) throw client.failure(request, answer)
      return undefined
    },

    async create(name, bytes, metadata, lock) {
      const key = keyOf(name)
      // The caller may go on to use its buffer while a request is tried again.
      const copy = bytes.slice()
      const headers = {
        ...headersOf(metadata),
        ...(storageClass !== undefined && { 'x-amz-storage-class': storageClass }),
        ...(lock && lockHeaders(lock)),
      }
      if (lock !== undefined) await checkFirstLock()
      const outcome = await createObject(client, await createMode(), key, copy, headers)
      if (lock !== undefined && outcome === 'created') {
        firstLocked ??= key
        await checkFirstLock()
      }
      return outcome
    },

    replace: async (name, bytes, metadata, over) =>
      replacer.replace({
        key: keyOf(name),
        bytes: bytes.slice(),
        headers: headersOf(metadata),
        over,
      }),

    async remove(name) {
      const request: S3Request = {
        kind: 'delete',
        method: 'DELETE',
        key: keyOf(name),
        verb: 'remove',
        expected: [200, 204, 404],
      }
      const answer = await client.send(request)
      if (answer.status === 404 && isMissingBucket(answer.body)) {
        throw client.failure(request, answer)
      }
    },

    async list(prefix, { after = '', limit = Number.MAX_SAFE_INTEGER } = {}) {
      checkNamePrefix(prefix)
      const found: string[] = []
      let last = after
      while (found.length < limit) {
        const page = await listPage(client, prefix, last, Math.min(limit - found.length, PAGE))
        found.push(...page.names)
        if (!page.hasMore) break
        last = page.last
      }
      return found.slice(0, limit)
    },

    async close() {
      client.close()
    },
  }
}

interface Page {
  readonly names: readonly string[]
  readonly hasMore: boolean
  /** The name that the next page begins after. */
  readonly last: string
}

async function listPage(
  client: S3Client,
  prefix: string,
  after: string,
  limit: number,
): Promise<Page> {
  const { place } = client
  const answer = await client.send({
    kind: 'list',
    method: 'GET',
    query: {
      'list-type': '2',
      'max-keys': `${limit}`,
      prefix: `${place.prefix}${prefix}`,
      ...(after !== '' && { 'start-after': `${place.prefix}${after}` }),
    },
    verb: 'list',
    expected: [200],
  })
  const xml = fromUtf8(answer.body, `the list of ${place.text}`)
  if (elementsOf(xml, 'ListBucketResult').length !== 1) throw wrongList(place.text, 'is none')
  const names: string[] = []
  let last = after
  for (const entry of elementsOf(xml, 'Contents')) {
    const key = textOf(entry, 'Key')
    if (key === undefined || !key.startsWith(`${place.prefix}${prefix}`)) {
      throw wrongList(place.text, `has ${JSON.stringify(key)}, which was not asked for`)
    }
    const name = key.slice(place.prefix.length)
    // The prefix itself, as an object that stands for a directory.
    if (name === '') continue
    if (name <= last) throw wrongList(place.text, `has ${name} after ${last}, out of order`)
    last = name
    if (name !== PROBE) names.push(name)
  }
  const hasMore = textOf(xml, 'IsTruncated') === 'true'
  if (hasMore && last === after) throw wrongList(place.text, 'goes on with nothing')
  return { names, hasMore, last }
}

function wrongList(place: string, what: string): CairnError {
  return new CairnError('IO', `the list of ${place} that the server gives ${what}`)
}

function storedObject(
  bytes: Uint8Array,
  headers: Readonly<Record<string, string | undefined>>,
): StoredObject {
  const modified = Date.parse(headers['last-modified'] ?? '')
  return {
    bytes,
    version: headers.etag,
    modified: Number.isNaN(modified) ? 0 : modified,
    contentType: headers['content-type'],
    storageClass: headers['x-amz-storage-class'],
  }
}

function headersOf({ contentType, cacheControl }: ObjectMetadata): Record<string, string> {
  return { 'content-type': contentType || STREAM, 'cache-control': cacheControl }
}

function lockHeaders({ mode, until, legalHold }: ObjectLock): Record<string, string> {
  // Whole seconds: not all servers read parts of one.
  const seconds = new Date(Math.ceil(until / 1_000) * 1_000).toISOString().replace('.000Z', 'Z')
  return {
    'x-amz-object-lock-mode': mode.toUpperCase(),
    'x-amz-object-lock-retain-until-date': seconds,
    ...(legalHold && { 'x-amz-object-lock-legal-hold': 'ON' }),
  }
}

/** A server that knows no Object Lock may pass over its headers: that must not go unnoticed. */
async function checkLock(client: S3Client, key: string): Promise<void> {
  const answer = await client.send({
    kind: 'settings',
    method: 'GET',
    key,
    query: { retention: '' },
    verb: 'read the retention of',
    expected: [200, 400, 404, 405, 501],
  })
  const until = textOf(new TextDecoder().decode(answer.body), 'RetainUntilDate')
  if (answer.status === 200 && until !== undefined) return
  throw new CairnError(
    'FORBIDDEN',
    `s3://${client.place.bucket}/${key} was stored but not locked: the server or the bucket knows no Object Lock`,
  )
}
