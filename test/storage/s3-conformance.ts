/** What the S3 object store must do with a real server of a kind. The test of each kind of server runs this suite. */
import { randomBytes } from 'node:crypto'
import { beforeAll, describe, it } from 'vitest'
import { openS3Store, type S3Options } from '../../src/storage/s3.ts'
import type { S3CredentialSource } from '../../src/storage/s3-credentials.ts'
import { afterThisFile } from '../support/endings.ts'
import { isS3Missing, type S3Key, type S3Server, startS3 } from '../support/s3.ts'
import type { S3Kind } from '../support/s3-programs.ts'
import { objectStoreConformance } from './object-conformance.ts'

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

export function s3Conformance(kind: S3Kind): void {
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
    ['a bucket', {}],
    ['a bucket with versions', { versions: true }],
    ['a bucket with Object Lock', { lock: true }],
  ])('%s', (title, made) => {
    let bucket: string
    beforeAll(async () => {
      bucket = await s3.newBucket(made)
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
}
