/** Opens the object storage that a configuration names. */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { messageOf, usage } from '../errors.ts'
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
 * @param options `toRead`: nothing is to be written to it
 * @throws USAGE; NOT_FOUND when the bucket or directory is missing; FORBIDDEN; IO
 */
export async function openObjects(
  place: ArchivePlace,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  options: { readonly toRead?: boolean } = {},
): Promise<OpenedObjects> {
  if (place.kind === 'directory') {
    return { objects: await openObjectDirectory(place.path, options), requests: () => undefined }
  }
  const { bucket, prefix, region, endpoint, credentialsFile, caFile } = place
  const store = await openS3Store({
    bucket,
    prefix,
    region,
    credentials: await openS3Credentials(credentialsFile, { environment }),
    ...(endpoint !== undefined && { endpoint }),
    ...(caFile !== undefined && { authorities: await readAuthorities(caFile) }),
  })
  return { objects: store, requests: () => store.usage() }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** The certificates in a file of authorities. @throws USAGE when it has none that can be used: none would be trusted */
async function readAuthorities(path: string): Promise<readonly string[]> {
  try {
    const found: string[] = (await readFile(path, 'latin1')).match(CERTIFICATE) ?? []
    if (found.length === 0) throw new Error('it holds no certificate in PEM')
    for (const one of found) new X509Certificate(one)
    return found
  } catch (error) {
    throw usage(`cannot use the authorities in ${path} (s3-ca-file): ${messageOf(error)}`, error)
  }
}
