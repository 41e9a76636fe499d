/** The object storage of a run, and its absence for a while. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { openObjectDirectory } from '../../../src/storage/object-directory.ts'
import type { ObjectStore } from '../../../src/storage/object-port.ts'
import { openS3Store } from '../../../src/storage/s3.ts'
import { openS3Credentials } from '../../../src/storage/s3-credentials.ts'
import { PREPARED_S3, startS3 } from '../../support/s3.ts'
import { S3_VERSIONS } from '../../support/s3-programs.ts'

export interface Archive {
  readonly kind: 's3' | 'directory'
  /** What it is, for people. */
  readonly name: string
  /** What servers are told of it. */
  readonly flags: readonly string[]
  /** As a reader sees it. */
  readonly store: ObjectStore
  /** Refuses all that is asked of it, for so many milliseconds. */
  refuse(milliseconds: number): Promise<void>
  close(): Promise<void>
}

export const PREFIX = 'audit'

export interface ArchiveOptions {
  /** A directory, although an S3 server could be had. */
  readonly directory?: boolean
  /** Puts something before an S3 server: from its endpoint to another one. */
  readonly before?: (endpoint: string) => Promise<string>
}

/** An S3 server where one was prepared, unless a directory is wanted. */
export async function startArchive(place: string, options: ArchiveOptions): Promise<Archive> {
  const { directory = false } = options
  if (!directory && PREPARED_S3.length > 0) return startBucket(place, options)
  const note = directory ? '' : '; no S3 server is prepared: node test/services.mjs prepare'
  return startDirectory(join(place, 'objects'), note)
}

async function startBucket(place: string, { before }: ArchiveOptions): Promise<Archive> {
  const server = await startS3({ kind: PREPARED_S3[0]! })
  const { endpoint, region, accessKey, secretKey, kind } = server
  try {
    const bucket = await server.newBucket()
    const file = join(place, 's3-credentials')
    const lines = ['[default]', `aws_access_key_id = ${accessKey}`]
    await writeFile(file, `${lines.join('\n')}\naws_secret_access_key = ${secretKey}\n`)
    const store = await openS3Store({
      bucket,
      prefix: PREFIX,
      endpoint,
      region,
      credentials: await openS3Credentials(file, { environment: {} }),
    })
    return {
      kind: 's3',
      name: `${S3_VERSIONS[kind]}, s3://${bucket}/${PREFIX}`,
      flags: [
        ...['--bucket', `s3://${bucket}/${PREFIX}`],
        ...['--s3-endpoint', (await before?.(endpoint)) ?? endpoint],
        ...['--s3-region', region, '--s3-credentials', file],
      ],
      store,
      refuse: (milliseconds) => server.refuse(milliseconds),
      async close() {
        await store.close()
        await server.stop()
      },
    }
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** As a mount that goes away, and comes back. */
async function startDirectory(directory: string, note: string): Promise<Archive> {
  await mkdir(directory)
  const store = await openObjectDirectory(directory)
  const away = `${directory}.away`
  return {
    kind: 'directory',
    name: `a directory${note}`,
    flags: ['--bucket', pathToFileURL(directory).href],
    store,
    async refuse(milliseconds) {
      await rename(directory, away)
      await writeFile(directory, '')
      await sleep(milliseconds)
      await rm(directory)
      await rename(away, directory)
    },
    close: () => store.close(),
  }
}
