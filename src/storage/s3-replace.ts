/**
 * Writing an object that may change, over the one that was read or written last and no other: a request that was on its
 * way for long must not put back what has been replaced meanwhile. Servers that hold `If-Match` compare and swap; of
 * others it is found out at the first replacement, which names a version that no object has.
 */
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { ObjectVersion } from './object-port.ts'
import type { S3Client, S3Request } from './s3-client.ts'
import { isMissingBucket } from './s3-create.ts'

/** Whether the server replaces an object of the named version only; unknown before the first replacement. */
export type ReplaceMode = 'conditional' | 'unconditional' | 'unknown'

/** An entity tag is a digest, or an id, and never this. */
const NO_VERSION = '"00000000000000000000000000000000"'
/** Conditions are answered with these when they do not hold, or are not known. */
const REFUSED = [404, 409, 412] as const
const UNKNOWN = 501

export interface Replacement {
  readonly key: string
  readonly bytes: Uint8Array
  readonly headers: Readonly<Record<string, string>>
  /** What is to be replaced; whatever there is when left out. */
  readonly over: ObjectVersion | 'nothing' | undefined
}

export interface S3Replacer {
  /**
   * @returns the version that is there now, if the server tells
   * @throws CONFLICT when another one is there than the one to be replaced; others as the client does
   */
  replace(wanted: Replacement): Promise<ObjectVersion | undefined>
  mode(): ReplaceMode
}

/** How an entity tag is written down: as HTTP has it, or bare, as Ceph 16 compares it. */
const FORMS: readonly ((version: ObjectVersion) => string)[] = [
  (version) => version,
  (version) => version.replace(/^"(.*)"$/, '$1'),
]

type Put = { readonly status: number; readonly version: ObjectVersion | undefined }

export function s3Replacer(client: S3Client): S3Replacer {
  let mode: ReplaceMode = 'unknown'
  let form = 0

  async function put(
    { key, bytes, headers }: Replacement,
    condition?: Readonly<Record<string, string>>,
  ): Promise<Put> {
    const request: S3Request = {
      kind: 'put',
      method: 'PUT',
      key,
      headers: { ...headers, ...condition },
      body: bytes,
      verb: 'write',
      expected: condition === undefined ? [200] : [200, ...REFUSED, UNKNOWN],
    }
    const answer = await client.send(request)
    if (answer.status === 404 && isMissingBucket(answer.body)) throw client.failure(request, answer)
    return { status: answer.status, version: answer.headers.etag }
  }

  /** What is there, when the one to be replaced is not; undefined when it is, and was refused all the same. */
  async function afterRefusal({ key, bytes, over }: Replacement) {
    const request: S3Request = {
      kind: 'get',
      method: 'GET',
      key,
      verb: 'read',
      expected: [200, 404],
    }
    const { status, headers, body } = await client.send(request)
    // An earlier attempt of this very request may have got through.
    if (status === 200 && equal(body, bytes)) return { version: headers.etag }
    if (status === 200 ? headers.etag === over : over === 'nothing') return undefined
    throw new CairnError(
      'CONFLICT',
      `s3://${client.place.bucket}/${key} was replaced by another server meanwhile, and is left as it is`,
    )
  }

  async function replaceNothing(wanted: Replacement): Promise<ObjectVersion | undefined> {
    const { status, version } = await put(wanted, { 'if-none-match': '*' })
    if (status === 200) return version
    const there = await afterRefusal(wanted)
    return there === undefined ? (await put(wanted)).version : there.version
  }

  return {
    mode: () => mode,

    async replace(wanted) {
      const { over } = wanted
      if (over === undefined || mode === 'unconditional') return (await put(wanted)).version
      if (over === 'nothing') return replaceNothing(wanted)
      if (mode === 'unknown') {
        const { status, version } = await put(wanted, { 'if-match': NO_VERSION })
        if (status === 200 || status === UNKNOWN) mode = 'unconditional'
        if (status === 200) return version
      }
      while (form < FORMS.length && mode !== 'unconditional') {
        const { status, version } = await put(wanted, { 'if-match': FORMS[form]!(over) })
        if (status === 200) {
          mode = 'conditional'
          return version
        }
        const there = await afterRefusal(wanted)
        if (there !== undefined) return there.version
        // 409: another one is being written just now.
        if (mode === 'unknown' && status !== 409) form++
      }
      // It refuses the right version, whatever it is called.
      mode = 'unconditional'
      return (await put(wanted)).version
    },
  }
}
