/** Opens the object storage that a configuration names. */
import type { ObjectRequests } from '../http/cluster-metrics.ts'
import { openObjectDirectory } from '../storage/object-directory.ts'
import type { ObjectStore } from '../storage/object-port.ts'
import { openS3Store } from '../storage/s3.ts'
import { openS3Credentials } from '../storage/s3-credentials.ts'
import type { ArchivePlace } from './storage-settings.ts'

export interface OpenedObjects {
  readonly objects: ObjectStore
  /** What was asked of it; undefined for a directory. */
  requests(): ObjectRequests | undefined
}

/**
 * @param environment where credentials are when no file has them
 * @throws USAGE; NOT_FOUND when the bucket or directory is missing; FORBIDDEN; IO
 */
export async function openObjects(
  place: ArchivePlace,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<OpenedObjects> {
  if (place.kind === 'directory') {
    return { objects: await openObjectDirectory(place.path), requests: () => undefined }
  }
  const { bucket, prefix, region, endpoint, credentialsFile } = place
  const store = await openS3Store({
    bucket,
    prefix,
    region,
    credentials: await openS3Credentials(credentialsFile, { environment }),
    ...(endpoint !== undefined && { endpoint }),
  })
  return { objects: store, requests: () => store.usage() }
}
