/** The keys of a data directory, and the file that gives their verifier keys away: found, or made at the first start. */
import { utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { DataDirectory, DirectoryKind } from '../storage/data-directory.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import { readIfThere } from '../storage/read-if-there.ts'

const PUBLIC_FILE = 0o644

/** Keys that were read or made. */
export interface KeptKeys {
  readonly file: string
  /** Whether users other than the owner may read the file. */
  readonly exposed: boolean
}

export interface KeyPlaceOptions<K extends KeptKeys> {
  readonly kind: DirectoryKind
  read(): Promise<K | undefined>
  create(): Promise<K>
  /** Told of new keys, and of keys that others may read, and of the file that they are in. */
  onEvent(event: 'keys-created' | 'keys-exposed', file: string): void
}

/**
 * The keys, made if there have never been any.
 * @throws CORRUPT when they are gone, and what `read` and `create` throw
 */
export async function findOrMakeKeys<K extends KeptKeys>(
  directory: DataDirectory,
  { kind, read, create, onEvent }: KeyPlaceOptions<K>,
): Promise<K> {
  const found = await read()
  if (found?.exposed === true) onEvent('keys-exposed', found.file)
  if (found !== undefined) return found
  if ((await vkeysIn(directory)) !== undefined) {
    throw new CairnError(
      'CORRUPT',
      `the keys of this ${kind} are missing from ${directory.keys}; put their backup back (new keys cannot continue an old ${kind})`,
    )
  }
  const made = await create()
  onEvent('keys-created', made.file)
  return made
}

/**
 * Writes verifier keys beside the data, a line each, or finds those that were written before. Texts in `replaceable`
 * name the same keys in another way, and give way.
 * @throws CORRUPT when there are others; IO
 */
export async function keepVkeys(
  directory: DataDirectory,
  vkeys: readonly string[],
  replaceable: readonly (readonly string[])[] = [],
): Promise<void> {
  const text = linesOf(vkeys)
  const written = await vkeysIn(directory)
  if (written === text) return
  if (written !== undefined && !replaceable.map(linesOf).includes(written)) {
    throw new CairnError(
      'CORRUPT',
      `${directory.vkeyFile} does not name the keys in ${directory.keys}; put back the file that is wrong`,
    )
  }
  await durableWriteFile(directory.vkeyFile, utf8(text), PUBLIC_FILE)
}

function linesOf(vkeys: readonly string[]): string {
  return vkeys.map((vkey) => `${vkey}\n`).join('')
}

async function vkeysIn({ vkeyFile }: DataDirectory): Promise<string | undefined> {
  return (await readIfThere(vkeyFile))?.toString('utf8')
}
