/** The small files of a log's data directory, which go with it wherever it goes: not its keys. */
import { readdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { CairnError, messageOf } from '../errors.ts'
import type { DataDirectory } from '../storage/data-directory.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import { makeDirectory } from '../storage/make-directory.ts'
import { readIfThere } from '../storage/read-if-there.ts'

const PRIVATE_FILE = 0o600
const PRIVATE_DIRECTORY = 0o700

/** What was sent to outside systems, and what the server came upon. */
const FOLDERS = ['gossip', 'evidence']
/** The first token in clear. */
const ADMIN_TOKEN = 'admin.token'

/** Paths below a data directory of such files, sorted. `admin.token` is among them where `secrets` says so. @throws IO */
export async function logFilesIn(
  { path }: Pick<DataDirectory, 'path'>,
  { secrets }: { readonly secrets: boolean },
): Promise<string[]> {
  const found = secrets ? [ADMIN_TOKEN] : []
  for (const folder of FOLDERS) found.push(...(await filesBelow(join(path, folder), path)))
  return found.sort()
}

/** Whether a path is one that a log's file can have: none that leads elsewhere. */
export function isLogFile(path: string): boolean {
  if (path === ADMIN_TOKEN) return true
  const [folder = '', ...names] = path.split('/')
  return FOLDERS.includes(folder) && names.length > 0 && names.every((one) => NAME.test(one))
}

const NAME = /^[A-Za-z0-9_-][A-Za-z0-9_.@+-]{0,79}$/

/** @throws IO */
export async function readLogFile(
  { path }: Pick<DataDirectory, 'path'>,
  name: string,
): Promise<Uint8Array | undefined> {
  return readIfThere(join(path, name))
}

/** Writes a file below a directory, durably, with the directories above it; for the owner's eyes only. @throws IO */
export async function writePrivateFile(
  root: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const file = join(root, name)
  try {
    await makeDirectory(dirname(file), PRIVATE_DIRECTORY)
    await durableWriteFile(file, bytes, PRIVATE_FILE)
  } catch (cause) {
    throw new CairnError('IO', `cannot write ${file}: ${messageOf(cause)}`, { cause })
  }
}

async function filesBelow(folder: string, root: string): Promise<string[]> {
  try {
    const found = await readdir(folder, { withFileTypes: true, recursive: true })
    return found
      .filter((one) => one.isFile())
      .map((one) => relative(root, join(one.parentPath, one.name)))
      .filter(isLogFile)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new CairnError('IO', `cannot read ${folder}: ${messageOf(cause)}`, { cause })
  }
}
