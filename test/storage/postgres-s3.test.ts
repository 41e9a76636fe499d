/** The suites of stores on PostgreSQL and a real S3 server. */
import { it } from 'vitest'
import { newObjects } from '../support/archives.ts'
import { isS3Missing } from '../support/s3.ts'
import { archivedStoreConformance } from './archived-conformance.ts'
import { sharedPlace } from './postgres-place.ts'
import { sharedLogConformance } from './shared-conformance.ts'

if (isS3Missing('versitygw')) {
  it.skip('runs on an S3 server, which is not here', () => undefined)
} else {
  archivedStoreConformance('the PostgreSQL store with an archive in S3', 's3')
  sharedLogConformance('the PostgreSQL store with an archive in S3', async () =>
    sharedPlace(await newObjects('s3')),
  )
}
