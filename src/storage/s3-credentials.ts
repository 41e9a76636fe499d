/**
 * Who we are to an S3 server: from a file as other programs of S3 have one (`~/.aws/credentials`), which is read anew when
 * it changes, or from the environment.
 */
import { readFile, stat } from 'node:fs/promises'
import { messageOf, usage } from '../errors.ts'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of credentials that expire. */
  readonly sessionToken: string | undefined
}

export interface S3CredentialSource {
  /** The newest. @throws USAGE */
  current(): Promise<S3Credentials>
  /** Others than those, which the server refused; undefined when there are none. @throws USAGE */
  renewed(refused: S3Credentials): Promise<S3Credentials | undefined>
  /** Where they are from, for messages. */
  readonly place: string
}

/** A file is looked at again after so many milliseconds, and whenever the server refuses what it said. */
const LOOK_AFTER = 1_000

/**
 * The credentials of a profile in a file; without a file those of the environment (AWS_ACCESS_KEY_ID,
 * AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN).
 * @throws USAGE when there are none
 */
export async function openS3Credentials(
  file: string | undefined,
  options: {
    readonly profile?: string
    readonly environment: Readonly<Record<string, string | undefined>>
  },
): Promise<S3CredentialSource> {
  const source =
    file === undefined
      ? ofEnvironment(options.environment)
      : ofFile(file, options.profile ?? options.environment.AWS_PROFILE ?? 'default')
  await source.current()
  return source
}

function ofEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): S3CredentialSource {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = environment
  return {
    place: 'the AWS_… variables',
    async current() {
      if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) {
        throw usage(
          'there are no credentials of the object store: give a file (s3-credentials), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
        )
      }
      return {
        accessKeyId: AWS_ACCESS_KEY_ID,
        secretAccessKey: AWS_SECRET_ACCESS_KEY,
        sessionToken: AWS_SESSION_TOKEN || undefined,
      }
    },
    async renewed() {
      return undefined
    },
  }
}

function ofFile(path: string, profile: string): S3CredentialSource {
  let known: S3Credentials | undefined
  let version = ''
  let lookAgain = 0

  async function look(): Promise<S3Credentials> {
    try {
      const { mtimeMs, size, ino } = await stat(path)
      const newest = `${mtimeMs} ${size} ${ino}`
      if (known === undefined || newest !== version) {
        known = parseCredentials(await readFile(path, 'utf8'), profile)
        version = newest
      }
      lookAgain = performance.now() + LOOK_AFTER
      return known
    } catch (error) {
      const what = isMissing(error) ? 'there is no such file' : messageOf(error)
      throw usage(`the credentials in ${path} cannot be used: ${what}`, error)
    }
  }

  return {
    place: path,
    async current() {
      if (known !== undefined && performance.now() < lookAgain) return known
      // While the file is being replaced, what it said before may still do.
      return await look().catch((error: unknown) => {
        if (known === undefined) throw error
        return known
      })
    },
    async renewed(refused) {
      // A file that is written twice within one tick of the file system's clock looks unchanged.
      version = ''
      const newest = await look()
      return isSame(newest, refused) ? undefined : newest
    },
  }
}

function isSame(a: S3Credentials, b: S3Credentials): boolean {
  return (
    a.accessKeyId === b.accessKeyId &&
    a.secretAccessKey === b.secretAccessKey &&
    a.sessionToken === b.sessionToken
  )
}

/** The credentials of a profile: `[profile]`, then lines `key = value`; lines of `#` or `;` say nothing. @throws Error */
export function parseCredentials(text: string, profile: string): S3Credentials {
  const values = new Map<string, string>()
  let section: string | undefined
  for (const line of text.split(/\r?\n/).map((each) => each.trim())) {
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue
    const [, heading] = /^\[\s*(.*?)\s*\]$/.exec(line) ?? []
    if (heading !== undefined) {
      section = heading
    } else if (section === profile) {
      const at = line.indexOf('=')
      if (at > 0) values.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim())
    }
  }
  const accessKeyId = values.get('aws_access_key_id')
  const secretAccessKey = values.get('aws_secret_access_key')
  if (!accessKeyId || !secretAccessKey) {
    throw new Error(`[${profile}] has no aws_access_key_id and aws_secret_access_key`)
  }
  return {
    accessKeyId,
    secretAccessKey,
    sessionToken: values.get('aws_session_token') || undefined,
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
