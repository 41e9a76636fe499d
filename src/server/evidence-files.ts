/** Evidence that the server comes upon, kept in `DIR/evidence`. */
import { join } from 'node:path'
import { sha256 } from '#sha256'
import { toHex, utf8 } from '../bytes.ts'
import type { Evidence } from '../log/evidence.ts'
import type { DataDirectory } from '../storage/data-directory.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import { makeDirectory } from '../storage/make-directory.ts'

const PUBLIC_FILE = 0o644

/** Keeps evidence durably. Its name comes from its content, so that none replaces another. @returns the file */
export async function keepEvidence(
  { path }: DataDirectory,
  { kind, text }: Evidence,
): Promise<string> {
  const folder = join(path, 'evidence')
  await makeDirectory(folder)
  const bytes = utf8(text)
  const file = join(folder, `${toHex(sha256(bytes)).slice(0, 16)}.${kind}`)
  await durableWriteFile(file, bytes, PUBLIC_FILE)
  return file
}
