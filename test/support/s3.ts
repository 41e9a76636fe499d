/**
 * A real S3 server for tests. `node test/services.mjs prepare` fetches the servers; where one was not prepared, the tests
 * that need it are skipped and say so, unless TEST_S3 names it (`versitygw,ceph`), as where a run decides about a
 * merge. With `none` all of them are.
 */
import { randomBytes } from 'node:crypto'
import { AwsV4Signer } from 'aws4fetch'
import { startCeph } from './ceph.ts'
import { isPrepared, S3_VERSIONS, type S3Kind } from './s3-programs.ts'
import { type FrontMode, startTcpFront } from './tcp-front.ts'
import { startVersitygw } from './versitygw.ts'

export interface S3Key {
  readonly accessKey: string
  readonly secretKey: string
}

/** A server as the starter of its kind gives it. */
export interface S3Backend extends S3Key {
  readonly port: number
  /** One that objects can be moved to as they grow old; none where rules cannot do that. */
  readonly storageClass: string | undefined
  /** Of the same user, or of one that may do nothing yet; gives how policies name that user. */
  newKey(key: S3Key, isOther: boolean): Promise<string>
  /** A role that gives credentials which expire, with its policies; none where there are no such. */
  newRole?(name: string, trusts: object, allows: object): Promise<void>
  removeKey(accessKey: string): Promise<void>
  stop(): Promise<void>
}

export interface S3Server extends S3Key {
  readonly kind: S3Kind
  readonly endpoint: string
  readonly region: string
  readonly storageClass: string | undefined
  /** Makes a bucket and gives its name. With `lock` it has versions and Object Lock, with `versions` only those. */
  newBucket(options?: { readonly lock?: boolean; readonly versions?: boolean }): Promise<string>
  /** A request with the server's own key; for what the object store has no method for. */
  request(
    method: string,
    path: string,
    options?: {
      readonly headers?: Record<string, string>
      readonly body?: string
      readonly key?: S3Key
    },
  ): Promise<{ readonly status: number; readonly text: string; readonly headers: Headers }>
  /** Another key that may do everything. */
  newKey(): Promise<S3Key>
  /** The key of somebody who may only read a bucket and list it. */
  newReader(bucket: string): Promise<S3Key>
  /** A key of somebody who may do nothing but some actions, such as `s3:GetObject`, on a bucket and in it. */
  newUser(bucket: string, actions: readonly string[]): Promise<S3Key>
  /** Credentials that expire; undefined where there are none. */
  temporary?(seconds: number): Promise<S3Key & { readonly token: string }>
  removeKey(accessKey: string): Promise<void>
  /** How its port behaves from now on. */
  become(mode: FrontMode): void
  /** Cuts all connections, and those that come for so many milliseconds; resolves when it answers again. */
  refuse(milliseconds: number): Promise<void>
  /** Connections taken so far. */
  connections(): number
  stop(): Promise<void>
}

const REGION = 'us-east-1'

/** Kinds that can be started here. */
export const PREPARED_S3: readonly S3Kind[] = (['versitygw', 'ceph'] as const).filter(isPrepared)

/** Whether tests of a kind are to be left out; says so once, and throws where they must not be. */
export function isS3Missing(kind: S3Kind): boolean {
  if (process.env.TEST_S3 === 'none') {
    console.log('skipped: TEST_S3=none')
    return true
  }
  if (isPrepared(kind)) return false
  const advice = `${S3_VERSIONS[kind]} is not here: node test/services.mjs prepare`
  if (process.env.TEST_S3?.split(',').includes(kind)) throw new Error(advice)
  console.log(`skipped: ${advice}`)
  return true
}

/** Starts a server of a kind; of the one that starts fastest unless given. */
export async function startS3(options: { readonly kind?: S3Kind } = {}): Promise<S3Server> {
  const kind = options.kind ?? 'versitygw'
  const backend = await (kind === 'ceph' ? startCeph() : startVersitygw())
  const front = await startTcpFront(backend.port)
  const endpoint = `http://127.0.0.1:${front.port}`

  const request: S3Server['request'] = async (
    method,
    path,
    { headers, body, key = backend } = {},
  ) => {
    const signer = new AwsV4Signer({
      method,
      url: `http://127.0.0.1:${backend.port}${path}`,
      headers: { 'content-type': 'application/xml', ...headers },
      ...(body !== undefined && { body: Buffer.from(body) }),
      accessKeyId: key.accessKey,
      secretAccessKey: key.secretKey,
      service: 's3',
      region: REGION,
      allHeaders: true,
    })
    const signed = await signer.sign()
    const answer = await fetch(signed.url, {
      method,
      headers: signed.headers,
      ...(body !== undefined && { body: Buffer.from(body) }),
    })
    return { status: answer.status, text: await answer.text(), headers: answer.headers }
  }

  let role: Promise<string> | undefined

  async function mustSucceed(...args: Parameters<typeof request>): Promise<void> {
    const { status, text } = await request(...args)
    if (status >= 300) throw new Error(`${args[0]} ${args[1]}: ${status} ${text}`)
  }

  async function newUser(bucket: string, actions: readonly string[]): Promise<S3Key> {
    const key = makeKey()
    const principal = await backend.newKey(key, true)
    const resources = [bucket, `${bucket}/*`].map((path) => `arn:aws:s3:::${path}`)
    const body = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: [principal] },
          Action: actions,
          Resource: resources,
        },
      ],
    })
    await mustSucceed('PUT', `/${bucket}?policy=`, { body })
    return key
  }

  return {
    kind,
    endpoint,
    region: REGION,
    accessKey: backend.accessKey,
    secretKey: backend.secretKey,
    storageClass: backend.storageClass,
    request,
    async newBucket({ lock = false, versions = false } = {}) {
      const bucket = `cairn-${randomBytes(6).toString('hex')}`
      const headers = lock ? { 'x-amz-bucket-object-lock-enabled': 'true' } : {}
      await mustSucceed('PUT', `/${bucket}`, { headers })
      if (versions) {
        const body = `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`
        await mustSucceed('PUT', `/${bucket}?versioning=`, { body })
      }
      return bucket
    },
    async newKey() {
      const key = makeKey()
      await backend.newKey(key, false)
      return key
    },
    newReader: (bucket) => newUser(bucket, ['s3:GetObject', 's3:ListBucket']),
    newUser,
    ...(backend.newRole && {
      async temporary(seconds: number) {
        role ??= makeRole(backend)
        return await assumeRole(backend.port, backend, await role, seconds)
      },
    }),
    removeKey: (accessKey) => backend.removeKey(accessKey),
    become: (mode) => front.become(mode),
    async refuse(milliseconds) {
      front.become('closed')
      await new Promise((resolve) => setTimeout(resolve, milliseconds))
      front.become('open')
    },
    connections: () => front.connections(),
    async stop() {
      await front.close()
      await backend.stop()
    },
  }
}

function makeKey(): S3Key {
  const id = randomBytes(6).toString('hex')
  return { accessKey: `key-${id}`, secretKey: `secret-${id}` }
}

const version = '2012-10-17'

async function makeRole({ newRole }: S3Backend): Promise<string> {
  const Principal = { AWS: ['arn:aws:iam:::user/cairn'] }
  const trusts = { Effect: 'Allow', Principal, Action: ['sts:AssumeRole'] }
  const allows = { Effect: 'Allow', Action: ['s3:*'], Resource: ['arn:aws:s3:::*'] }
  await newRole?.(
    'archiver',
    { Version: version, Statement: [trusts] },
    { Version: version, Statement: [allows] },
  )
  return 'arn:aws:iam:::role/archiver'
}

async function assumeRole(
  port: number,
  key: S3Key,
  role: string,
  seconds: number,
): Promise<S3Key & { readonly token: string }> {
  const body = new URLSearchParams({
    Action: 'AssumeRole',
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: 'archiver',
    DurationSeconds: `${seconds}`,
  }).toString()
  const signer = new AwsV4Signer({
    method: 'POST',
    url: `http://127.0.0.1:${port}/`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: Buffer.from(body),
    accessKeyId: key.accessKey,
    secretAccessKey: key.secretKey,
    service: 'sts',
    region: REGION,
    allHeaders: true,
  })
  const { url, headers } = await signer.sign()
  const answer = await fetch(url, { method: 'POST', headers, body: Buffer.from(body) })
  const text = await answer.text()
  const [accessKey, secretKey, token] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'].map(
    (name) => new RegExp(`<${name}>([^<]*)<`).exec(text)?.[1],
  )
  if (!accessKey || !secretKey || !token) throw new Error(`AssumeRole: ${answer.status} ${text}`)
  return { accessKey, secretKey, token }
}
