import { it } from 'vitest'
import { isS3Missing } from '../support/s3.ts'
import { archivedLogConformance } from './archived-conformance.ts'

if (isS3Missing('versitygw')) {
  it.skip('runs on an S3 server, which is not here', () => undefined)
} else {
  archivedLogConformance('a shared log with an archive in S3', 's3')
}
