/** The files that somebody gave to the page: what each is taken for, and which belong together. */
import { fromUtf8 } from '../../bytes.ts'
import { type FileKind, fileKind } from '../../client/file-kind.ts'

/** What a file is there for. */
export type Role =
  /** To be checked. */
  | 'subject'
  /** What a receipt is for. */
  | 'leaf'
  /** What a time-stamp is of. */
  | 'data'
  /** Certificates of those who are trusted with the time. */
  | 'authorities'

export interface GivenFile {
  readonly id: number
  readonly name: string
  /** Left unread, as it may be large. */
  readonly content: Blob
  /** Its beginning, up to START bytes. */
  readonly start: Uint8Array
  /** What the reader says it is there for; else that is guessed. */
  readonly chosen?: Role
}

/** As much of a file as is looked at before it is judged. */
export const START = 65_536

/** A file to be checked, and what that takes. */
export interface Task {
  readonly subject: GivenFile
  readonly kind: FileKind
  readonly leaf?: GivenFile
  readonly data?: GivenFile
  readonly authorities?: GivenFile
}

const RECEIPTS: readonly FileKind[] = ['tlog-proof', 'json', 'cose']
/** The tag of a COSE receipt, and what receipts are called. */
const COSE_TAG = 0xd2
const COSE_NAME = /\.(cose|cbor)$/i

function isReceipt(kind: FileKind): boolean {
  return RECEIPTS.includes(kind)
}

/** What each file is there for, by its file's id: as chosen, or as its beginning and its company suggest. */
export function rolesOf(files: readonly GivenFile[]): ReadonlyMap<number, Role> {
  const roles = new Map(files.map((file) => [file.id, file.chosen ?? guess(file)]))
  const receipts = files.filter(
    (file) => roles.get(file.id) === 'subject' && isReceipt(fileKind(file.start)),
  )
  // Beside a receipt, what nobody would hand out to be checked is what the receipt is for.
  const leaves = (): number => [...roles.values()].filter((role) => role === 'leaf').length
  for (const { id, start, chosen } of files) {
    if (chosen !== undefined || fileKind(start) !== 'unknown' || roles.get(id) !== 'subject')
      continue
    if (leaves() < receipts.length) roles.set(id, 'leaf')
  }
  return roles
}

function guess({ name, start }: GivenFile): Role {
  if (/\.leaf$/i.test(name)) return 'leaf'
  if (/\.data$/i.test(name)) return 'data'
  const kind = fileKind(start)
  switch (kind) {
    case 'json':
      return /"(checkpoint|inclusion_path)"|"cairn-receipt\//.test(textOf(start))
        ? 'subject'
        : 'leaf'
    case 'cose':
      return start[0] === COSE_TAG || COSE_NAME.test(name) ? 'subject' : 'leaf'
    case 'unknown':
      return textOf(start).includes('-----BEGIN CERTIFICATE-----') ? 'authorities' : 'subject'
    default:
      return 'subject'
  }
}

/** Text for a look at it: an octet that is none is a character all the same. */
function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes)
  } catch {
    return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')
  }
}

/** Each file to be checked with what belongs to it: by its name without the ending, or as the only one there is. */
export function tasksOf(files: readonly GivenFile[]): readonly Task[] {
  const roles = rolesOf(files)
  const having = (role: Role): GivenFile[] => files.filter(({ id }) => roles.get(id) === role)
  const [subjects, leaves, data] = [having('subject'), having('leaf'), having('data')]
  const heads = subjects.filter(({ start }) => fileKind(start) === 'checkpoint')
  const [authorities] = having('authorities')
  return subjects.map((subject) => {
    const kind = fileKind(subject.start)
    if (isReceipt(kind)) {
      const leaf = belonging(subject, leaves)
      return { subject, kind, ...(leaf && { leaf }) }
    }
    if (kind !== 'time-stamp') return { subject, kind }
    const head = belonging(subject, data.length > 0 ? data : heads)
    return { subject, kind, ...(head && { data: head }), ...(authorities && { authorities }) }
  })
}

function belonging({ name }: GivenFile, candidates: readonly GivenFile[]): GivenFile | undefined {
  const same = candidates.find((one) => stemOf(one.name) === stemOf(name))
  return same ?? (candidates.length === 1 ? candidates[0] : undefined)
}

/** `7.tlog-proof` and `7.leaf` belong together. */
function stemOf(name: string): string {
  return name.replace(/\.[^.]*$/, '')
}

/** Files that no other needs and that are not checked themselves: a record without its receipt. */
export function lonelyOf(
  files: readonly GivenFile[],
  tasks: readonly Task[],
): readonly GivenFile[] {
  const used = new Set(
    tasks.flatMap(({ leaf, data, authorities }) => [leaf, data, authorities].map((one) => one?.id)),
  )
  const roles = rolesOf(files)
  return files.filter(({ id }) => roles.get(id) === 'leaf' && !used.has(id))
}
