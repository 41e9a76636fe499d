/**
 * What an archive asks of object storage such as S3: bytes under names, most of them written once. Names are relative to
 * the log's own prefix, of segments between slashes as in `tile/0/x001/234`.
 */

export interface ObjectMetadata {
  readonly contentType: string
  readonly cacheControl: string
}

/** How an object is kept from being deleted or replaced, where the bucket can do that. */
export interface ObjectLock {
  readonly mode: 'governance' | 'compliance'
  /** Milliseconds since 1970 until which it is kept. */
  readonly until: number
  readonly legalHold: boolean
}

/** Which of all that was ever written under a name an object is; only its store understands it. */
export type ObjectVersion = string

export interface StoredObject {
  readonly bytes: Uint8Array
  /** Undefined where the store cannot tell. */
  readonly version: ObjectVersion | undefined
  /** Milliseconds since 1970. */
  readonly modified: number
  readonly contentType: string | undefined
  readonly storageClass: string | undefined
}

/** Objects that move to a storage class of the operator's choice as they get old. */
export interface ObjectTransition {
  /** What their names begin with, such as `tile/entries/`. */
  readonly names: string
  readonly storageClass: string
  /** Days after an object was created. */
  readonly days: number
}

/**
 * Errors, of every method: NOT_FOUND when the bucket is missing; FORBIDDEN when the credentials do not allow it, or have
 * expired; UNAVAILABLE when it cannot be reached or is overloaded, and is worth trying again; IO otherwise. The message
 * names the bucket and the object.
 */
export interface ObjectStore {
  /** Where it is, for messages: `s3://bucket/prefix`. */
  readonly place: string

  /** An object, or undefined. */
  get(name: string): Promise<StoredObject | undefined>

  /**
   * Creates an object that must not change any more. When one of that name is there already its bytes are compared:
   * 'there' when they are the same. However many do so at once, what is stored is what one of them gave.
   * @throws CORRUPT when the one that is there has other bytes: it is left as it is, and the message names it
   */
  create(
    name: string,
    bytes: Uint8Array,
    metadata: ObjectMetadata,
    lock?: ObjectLock,
  ): Promise<'created' | 'there'>

  /**
   * Writes an object that may change, such as the newest checkpoint. Where the store can compare, it is written only over
   * the version that is named, or over nothing; elsewhere over whatever there is. Answers which version it is.
   * @throws CONFLICT when another one is there
   */
  replace(
    name: string,
    bytes: Uint8Array,
    metadata: ObjectMetadata,
    over?: ObjectVersion | 'nothing',
  ): Promise<ObjectVersion | undefined>

  /** Removes an object; nothing happens when there is none. */
  remove(name: string): Promise<void>

  /** The names that begin with `prefix` and come after `after`, in order, at most `limit`. */
  list(
    prefix: string,
    options?: { readonly after?: string; readonly limit?: number },
  ): Promise<string[]>

  /**
   * Has the store move objects as they get old, by a rule of its own that lasts when no server runs, and reads back that it
   * will; absent where there are no such rules. 'there' when it had that very rule.
   */
  ensureTransition?(transition: ObjectTransition): Promise<'set' | 'there'>

  close(): Promise<void>
}
