/**
 * The directory that holds the data of a log, or of a witness (in brackets):
 *
 *   DIR/format       "cairn-log 1" ["cairn-witness 1"]: what this directory is, written first of all
 *   DIR/store/       entries, tiles and heads [the heads last cosigned] (LevelDB)
 *   DIR/keys/        private keys, for the owner's eyes only
 *   DIR/vault/       what records commit to, encrypted (logs only)
 *   DIR/index/       what records are found by; can be built again (logs only)
 *   DIR/map/         what the log proves lists of records to be complete by; can be built again (logs only)
 *   DIR/heads/       the newest published head of every day (logs only)
 *   DIR/records      says that there are records, and so a vault (logs only)
 *   DIR/log.vkey     the verifier keys to give away [DIR/witness.vkey]
 *   DIR/admin.token  the first credential
 *   DIR/tokens       credentials added later
 *   DIR/gossip/      what was sent to outside systems (logs only)
 *   DIR/unfinished   says that a move or a restore into here has not come to its end (logs only)
 *   DIR/moved        says that the log goes on in another place (logs only)
 *   DIR/lock/        held by a server whose log is in a database, where there is no store to be opened (logs only)
 *   [DIR/witness.policy, DIR/url   for the operators of logs, and for commands on the same machine]
 *
 * Nothing here locks the directory; the store, or that lock, does when it is opened.
 */
import { constants } from 'node:fs'
import { access, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { durableWriteFile, syncDirectory, UNFINISHED } from './durable-file.ts'
import { makeDirectory } from './make-directory.ts'

/** Whose data a directory holds. One of another kind is refused: the two must never share keys or a place. */
export type DirectoryKind = 'log' | 'witness'

/** The layout this version reads and writes, of both kinds. */
const FORMAT = 1
const FORMAT_LINE = /^cairn-(log|witness) (0|[1-9][0-9]{0,8})\n$/
const FORMAT_BYTES_MAX = 64

/** The command that runs on a directory of each kind. */
const COMMANDS: Readonly<Record<DirectoryKind, string>> = {
  log: 'cairn serve',
  witness: 'cairn witness',
}

const PRIVATE_DIRECTORY = 0o700

export interface DataDirectory {
  /** Absolute path of the directory itself. */
  readonly path: string
  readonly store: string
  readonly keys: string
  readonly vault: string
  readonly index: string
  readonly map: string
  readonly heads: string
  readonly recordsMark: string
  readonly vkeyFile: string
  readonly adminTokenFile: string
  readonly tokensFile: string
}

/** What a directory can say of itself that keeps a log from being run in it. */
export type DirectoryMark = 'unfinished' | 'moved'

export interface DataDirectoryOptions {
  /** Makes the directory, or completes one whose making was interrupted. */
  readonly create: boolean
  /** Marks that are no reason to refuse it. One that was moved away may always be read. Default: none. */
  readonly despite?: readonly DirectoryMark[]
  /** That of a log when left out. */
  readonly kind?: DirectoryKind
}

/**
 * Opens a data directory, making it when asked to. An existing one is never touched unless it is Cairn's.
 * @throws NOT_FOUND when there is none, or only half of one, and `create` is false; also while one is marked as unfinished
 * @throws USAGE when `create` is true, and the log was moved away
 * @throws FOREIGN_DIRECTORY, NEWER_FORMAT
 * @throws IO when it cannot be read or written
 */
export async function openDataDirectory(
  path: string,
  options: DataDirectoryOptions,
): Promise<DataDirectory> {
  const { create, kind = 'log', despite = [] } = options
  const root = resolve(path)
  const directory: DataDirectory = {
    path: root,
    store: join(root, 'store'),
    keys: join(root, 'keys'),
    vault: join(root, 'vault'),
    index: join(root, 'index'),
    map: join(root, 'map'),
    heads: join(root, 'heads'),
    recordsMark: join(root, 'records'),
    vkeyFile: join(root, `${kind}.vkey`),
    adminTokenFile: join(root, 'admin.token'),
    tokensFile: join(root, 'tokens'),
  }
  try {
    await checkMarks(root, create ? ['unfinished', 'moved'] : ['unfinished'], despite)
    if (create) await complete(directory, kind)
    else await check(directory, kind)
    await access(root, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw unusable(root, error)
  }
  return directory
}

/** What a directory's mark says, a line, or undefined without one. @throws IO */
export async function markOf(path: string, mark: DirectoryMark): Promise<string | undefined> {
  try {
    return (await readFile(join(resolve(path), mark), 'utf8')).trimEnd()
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw unusable(path, error)
  }
}

/**
 * Marks a directory, durably, or takes the mark away; an unfinished one is made when there is none. @throws IO
 */
export async function markDirectory(
  path: string,
  mark: DirectoryMark,
  text: string | undefined,
): Promise<void> {
  const root = resolve(path)
  try {
    if ((await kindOf(root)) === undefined) {
      await makeDirectory(root, PRIVATE_DIRECTORY)
    }
    if (text !== undefined)
      return await durableWriteFile(join(root, mark), utf8(`${text}\n`), 0o644)
    await rm(join(root, mark), { force: true })
    await syncDirectory(root)
  } catch (error) {
    throw unusable(root, error)
  }
}

/** @throws NOT_FOUND while the log is not whole; USAGE when it was moved away */
export async function checkMarks(
  root: string,
  marks: readonly DirectoryMark[],
  despite: readonly DirectoryMark[] = [],
): Promise<void> {
  for (const mark of marks.filter((one) => !despite.includes(one))) {
    const text = await markOf(root, mark)
    if (text === undefined) continue
    if (mark === 'unfinished') {
      throw new CairnError('NOT_FOUND', `the log in ${root} is not whole: ${text}`)
    }
    throw new CairnError(
      'USAGE',
      `the log in ${root} ${text}; two that go on with the same keys would contradict each other. If it was never started there, cairn migrate --undo makes it go on here`,
    )
  }
}

/** Whose data a directory holds, or undefined when it is not one of Cairn's. @throws IO when it cannot be read */
export async function directoryKind(path: string): Promise<DirectoryKind | undefined> {
  try {
    return (await formatIn(resolve(path)))?.kind
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw unusable(path, error)
  }
}

async function complete(directory: DataDirectory, kind: DirectoryKind): Promise<void> {
  const { path } = directory
  if ((await kindOf(path)) === undefined) {
    await makeDirectory(path, PRIVATE_DIRECTORY)
  }
  if (!(await isMarked(path, kind))) {
    await durableWriteFile(join(path, 'format'), utf8(`cairn-${kind} ${FORMAT}\n`), 0o644)
  }
  let made = false
  for (const part of [directory.store, directory.keys]) {
    if ((await kindOf(part)) !== undefined) continue
    await mkdir(part, { mode: PRIVATE_DIRECTORY })
    made = true
  }
  if (made) await syncDirectory(path)
}

async function check(directory: DataDirectory, kind: DirectoryKind): Promise<void> {
  const { path } = directory
  const marked = (await kindOf(path)) !== undefined && (await isMarked(path, kind))
  const parts = [directory.store, directory.keys]
  if (!marked || (await Promise.all(parts.map(kindOf))).includes(undefined)) {
    throw new CairnError(
      'NOT_FOUND',
      `there is no ${marked ? 'complete ' : ''}${kind} in ${path}; start one with: ${COMMANDS[kind]} --data ${path}`,
    )
  }
}

/** Whether something is at `path`. @throws FOREIGN_DIRECTORY when it is not a directory */
async function kindOf(path: string): Promise<'directory' | undefined> {
  let found: Awaited<ReturnType<typeof stat>>
  try {
    found = await stat(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
  if (!found.isDirectory()) {
    throw new CairnError(
      'FOREIGN_DIRECTORY',
      `${path} is not a directory; choose another data directory`,
    )
  }
  return 'directory'
}

/**
 * Whether a directory says that it is a data directory of this kind and format; false when it is empty, and can become
 * one.
 * @throws FOREIGN_DIRECTORY, NEWER_FORMAT
 */
async function isMarked(path: string, kind: DirectoryKind): Promise<boolean> {
  const foreign = (why: string): CairnError =>
    new CairnError(
      'FOREIGN_DIRECTORY',
      `${path} ${why}; choose an empty or new directory for the ${kind}'s data`,
    )
  const names = await readdir(path)
  if (!names.includes('format')) {
    const others = names.filter((name) => !isHarmless(name))
    if (others.length === 0) return false
    throw foreign(`is not a ${kind}'s data directory, but holds other files (${others.sort()[0]})`)
  }
  const found = await formatIn(path)
  if (found === undefined) throw foreign('has a format file that Cairn did not write')
  if (found.kind !== kind) {
    throw foreign(`holds the data of a ${found.kind}, which ${COMMANDS[found.kind]} runs on`)
  }
  if (found.version > FORMAT) {
    throw new CairnError(
      'NEWER_FORMAT',
      `${path} was written by a newer cairn (format ${found.version}, this one reads ${FORMAT}); use the newer one`,
    )
  }
  return true
}

/** What may lie in a directory that counts as empty: our own unfinished files, and what a new volume comes with. */
function isHarmless(name: string): boolean {
  if (name === 'lost+found' || name === 'unfinished') return true
  return /^(format|unfinished)\./.test(name) && name.endsWith(UNFINISHED)
}

/** What the format file says, or undefined when Cairn did not write it. @throws the file system's own errors */
async function formatIn(
  path: string,
): Promise<{ readonly kind: DirectoryKind; readonly version: number } | undefined> {
  const file = join(path, 'format')
  const { size } = await stat(file)
  const bytes = size <= FORMAT_BYTES_MAX ? await readFile(file) : new Uint8Array()
  const [, kind, version] = FORMAT_LINE.exec(textOf(bytes)) ?? []
  if (kind === undefined || version === '0') return undefined
  return { kind: kind as DirectoryKind, version: Number(version) }
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes)
  } catch {
    return ''
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function unusable(path: string, error: unknown): CairnError {
  if (error instanceof CairnError) return error
  switch (codeOf(error)) {
    case 'EROFS':
      return new CairnError(
        'IO',
        `${path} is on a read-only file system; mount it writable, or choose another data directory`,
        { cause: error },
      )
    case 'EACCES':
    case 'EPERM':
      return new CairnError(
        'IO',
        `this user may not read and write ${path}; change its owner or mode, or choose another data directory`,
        { cause: error },
      )
    case 'ENOSPC':
    case 'EDQUOT':
      return new CairnError('DISK_FULL', `no space left to make ${path}; free some`, {
        cause: error,
      })
    default:
      return new CairnError('IO', `cannot use ${path}: ${messageOf(error)}`, { cause: error })
  }
}
