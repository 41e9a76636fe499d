/**
 * Writing an object only when there is none. Servers that hold `If-None-Match: *` do it themselves; of others it is found
 * out once, by an object that is written twice, and there the versions of the object decide, or reading it back.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { equal, fromUtf8, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { S3Client, S3Request } from './s3-client.ts'
import { elementsOf, textOf } from './s3-xml.ts'

/** How the bucket tells that an object is there already. */
export type CreateMode =
  /** The server refuses the second of two (S3 since 2024, and many others). */
  | 'conditional'
  /** It adds a version: the oldest one counts. */
  | 'versions'
  /** It replaces: what is read back afterwards counts, which two that write at the same moment may get wrong. */
  | 'read back'

/** What is written to find out what the server can. No name of an object begins with a dot. */
export const PROBE = '.cairn-probe'

/** Of so many bytes it is asked first: a server that refuses them before it has read them cuts the connection. */
const LARGE = 256 * 1024

const CONDITION = { 'if-none-match': '*' }
/** How often to begin anew when the object comes and goes meanwhile. */
const ROUNDS = 6
/** Some servers refuse an object that was removed from a bucket with versions for good: then do without their help. */
const REFUSED = 2

/**
 * Finds out the mode, by an object under the prefix that is removed again. Where that is not allowed it stays, and tells
 * the next who asks. Only who wrote it removes it, so that those who ask at the same time do not mislead each other.
 * @throws as the client does
 */
export async function probeCreateMode(client: S3Client): Promise<CreateMode> {
  const key = `${client.place.prefix}${PROBE}`
  const probe: S3Request = {
    ...put(key, utf8('whether this server keeps an object from being replaced\n')),
    headers: { ...CONDITION, 'content-type': 'text/plain' },
    expected: [200, 409, 412],
  }
  const first = await client.send(probe)
  if (first.status !== 200) return 'conditional'
  const second = await client.send(probe)
  const versions = [first, second].map(({ headers }) => versionIn(headers))
  // The second has none when it was refused; without a version the object itself is removed.
  for (const version of new Set([versions[0], versions[1] ?? versions[0]])) {
    await removeVersion(client, key, version)
  }
  if (second.status !== 200) return 'conditional'
  return versions[1] === undefined ? 'read back' : 'versions'
}

/** The id that a bucket with versions gives what is written; `null` is that of buckets which had some once. */
function versionIn(headers: Readonly<Record<string, string | undefined>>): string | undefined {
  const id = headers['x-amz-version-id']
  return id === 'null' || id === '' ? undefined : id
}

/**
 * Writes an object unless there is one, with headers such as its type and lock.
 * @throws CORRUPT when there is one with other bytes; others as the client does
 */
export async function createObject(
  client: S3Client,
  mode: CreateMode,
  key: string,
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<'created' | 'there'> {
  for (let round = 1; ; round++) {
    const outcome =
      mode === 'conditional' && round <= REFUSED
        ? await createConditionally(client, key, bytes, headers)
        : await createCarefully(client, mode, key, bytes, headers)
    if (outcome !== undefined) return outcome
    if (round === ROUNDS) {
      const place = `s3://${client.place.bucket}/${key}`
      throw new CairnError('UNAVAILABLE', `${place} comes and goes while it is to be created`)
    }
    await sleep(Math.random() * 50 * 2 ** round)
  }
}

/** Undefined when what kept it from being written is gone again. */
async function createConditionally(
  client: S3Client,
  key: string,
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<'created' | 'there' | undefined> {
  if (bytes.length >= LARGE) {
    const before = await readBytes(client, key)
    if (before !== undefined) {
      mustBeSame(client, key, before, bytes)
      return 'there'
    }
  }
  const { status } = await client.send({
    ...put(key, bytes),
    headers: { ...headers, ...CONDITION },
    // 409: another one is being written just now.
    expected: [200, 409, 412],
  })
  if (status === 200) return 'created'
  const there = await readBytes(client, key)
  if (there === undefined) return undefined
  mustBeSame(client, key, there, bytes)
  return 'there'
}

async function createCarefully(
  client: S3Client,
  mode: CreateMode,
  key: string,
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<'created' | 'there' | undefined> {
  const before = await readBytes(client, key)
  if (before !== undefined) {
    mustBeSame(client, key, before, bytes)
    return 'there'
  }
  const { headers: answered } = await client.send({ ...put(key, bytes), headers })
  const own = versionIn(answered)
  return mode === 'versions' && own !== undefined
    ? await decideByVersions(client, key, bytes, own)
    : await decideByReading(client, key, bytes)
}

async function decideByReading(
  client: S3Client,
  key: string,
  bytes: Uint8Array,
): Promise<'created' | undefined> {
  const after = await readBytes(client, key)
  if (after === undefined) return undefined
  mustBeSame(client, key, after, bytes)
  return 'created'
}

/** The oldest version since the object was removed last is the object; another writer's makes way if it can. */
async function decideByVersions(
  client: S3Client,
  key: string,
  bytes: Uint8Array,
  own: string,
): Promise<'created' | 'there' | undefined> {
  const oldest = (await versionsOf(client, key)).at(-1)
  if (oldest === undefined) return undefined
  if (oldest === own) return 'created'
  const first = await readBytes(client, key, oldest)
  await removeVersion(client, key, own)
  if (first === undefined) return undefined
  mustBeSame(client, key, first, bytes)
  return 'there'
}

/** Ids of an object's versions since it was removed last, newest first. */
async function versionsOf(client: S3Client, key: string): Promise<string[]> {
  const answer = await client.send({
    kind: 'list',
    method: 'GET',
    query: { versions: '', prefix: key, 'max-keys': '1000' },
    verb: `list the versions of ${key} in`,
    expected: [200],
  })
  const xml = fromUtf8(answer.body, 'a list of versions')
  const versions: string[] = []
  // Elements of both names stand in one order, which elementsOf does not give.
  const entries = xml.match(/<(Version|DeleteMarker)>[\s\S]*?<\/\1>/g) ?? []
  for (const entry of entries) {
    if (textOf(entry, 'Key') !== key) continue
    if (elementsOf(entry, 'DeleteMarker').length > 0) break
    const version = textOf(entry, 'VersionId')
    if (version !== undefined) versions.push(version)
  }
  return versions
}

/** Removes a version for good, or the object where there are no versions; one that is locked stays. */
async function removeVersion(
  client: S3Client,
  key: string,
  version: string | undefined,
): Promise<void> {
  await client.send({
    kind: 'delete',
    method: 'DELETE',
    key,
    ...(version !== undefined && { query: { versionId: version } }),
    verb: 'remove',
    expected: [200, 204, 400, 403, 404, 405],
  })
}

/** An object's bytes, or those of one version of it; undefined when there is none. */
async function readBytes(
  client: S3Client,
  key: string,
  version?: string,
): Promise<Uint8Array | undefined> {
  const request: S3Request = {
    kind: 'get',
    method: 'GET',
    key,
    ...(version !== undefined && { query: { versionId: version } }),
    verb: 'read',
    expected: [200, 404],
  }
  const answer = await client.send(request)
  if (answer.status === 200) return answer.body
  if (isMissingBucket(answer.body)) throw client.failure(request, answer)
  return undefined
}

/** Both a missing object and a missing bucket are answered with 404. */
export function isMissingBucket(body: Uint8Array): boolean {
  return textOf(new TextDecoder().decode(body), 'Code') === 'NoSuchBucket'
}

function put(key: string, body: Uint8Array): S3Request {
  return { kind: 'put', method: 'PUT', key, body, verb: 'write', expected: [200] }
}

function mustBeSame(client: S3Client, key: string, there: Uint8Array, bytes: Uint8Array): void {
  if (equal(there, bytes)) return
  throw new CairnError(
    'CORRUPT',
    `s3://${client.place.bucket}/${key} is there with other bytes, and is left as it is`,
  )
}
