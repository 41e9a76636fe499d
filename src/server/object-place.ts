/** Opens the object store that a place names: a bucket of S3 or of a server like it, or a directory. */
import { fileURLToPath } from 'node:url'
import { usage } from '../errors.ts'
import { openObjectDirectory } from '../storage/object-directory.ts'
import type { ObjectStore } from '../storage/object-port.ts'
import { openS3Store, type S3Store } from '../storage/s3.ts'
import { openS3Credentials } from '../storage/s3-credentials.ts'
import type { ArchivePlace } from './storage-settings.ts'

export interface ObjectPlaceOptions {
  /** `s3://BUCKET/PREFIX` or `file:///DIRECTORY`. */
  readonly place: string
  /** URL of the S3 server; AWS in the region unless given. */
  readonly endpoint?: string
  /** Default us-east-1. */
  readonly region?: string
  /** File of credentials; the variables of the environment unless given. */
  readonly credentials?: string
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** @throws USAGE, NOT_FOUND, FORBIDDEN, IO */
export async function openObjectStore(options: ObjectPlaceOptions): Promise<ObjectStore> {
  const { place, endpoint, region, credentials, environment } = options
  if (place.startsWith('file:///')) {
    return await openArchivePlace({ kind: 'directory', path: fileURLToPath(place) }, environment)
  }
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(place) ?? []
  if (bucket === undefined) {
    throw usage(
      `objects are in s3://BUCKET/PREFIX or file:///DIRECTORY, not ${JSON.stringify(place)}`,
    )
  }
  return await openArchivePlace(
    {
      kind: 's3',
      bucket,
      prefix,
      region: region ?? 'us-east-1',
      ...(endpoint !== undefined && { endpoint }),
      ...(credentials !== undefined && { credentialsFile: credentials }),
    },
    environment,
  )
}

/** The same of a place that settings give. @throws USAGE, NOT_FOUND, FORBIDDEN, IO */
export async function openArchivePlace(
  place: ArchivePlace,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<ObjectStore> {
  if (place.kind === 'directory') return await openObjectDirectory(place.path)
  const { bucket, prefix, region, endpoint, credentialsFile } = place
  const credentials = await openS3Credentials(credentialsFile, { environment })
  return await openS3Store({
    bucket,
    prefix,
    region,
    credentials,
    ...(endpoint !== undefined && { endpoint }),
  })
}

/** Whether a store counts its requests and can have its bucket move old objects to another storage class. */
export function isS3Store(store: ObjectStore): store is S3Store {
  return 'ensureTransition' in store
}
