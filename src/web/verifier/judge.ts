/** A question as the page asks it, and the verdict: by `verifyFile`, which the command asks as well. */
import { fileKind } from '../../client/file-kind.ts'
import { type FileVerdict, verifyFile } from '../../client/verify-file.ts'
import { CairnError, messageOf } from '../../errors.ts'
import { isCompleteList, MAX_COMPLETE_LIST_SIZE } from '../../formats/complete-list.ts'
import { isEvidence, MAX_EVIDENCE_SIZE } from '../../formats/evidence.ts'
import { readTrustText } from './trust-text.ts'

export interface Question {
  readonly subject: Blob
  readonly leaf?: Blob
  readonly data?: Blob
  readonly authorities?: Blob
  /** A policy or keys, as they were pasted. */
  readonly trust: string
}

/** Above the largest file of any kind but evidence and complete lists; what is larger is none. */
const MAX_FILE_SIZE = 4 * 1024 * 1024
/** Room for the longest start of a file that tells its kind. */
const START = 64

/**
 * Verifies a file.
 * @throws TOO_LARGE when a file is too large to be what it is there for
 * @throws USAGE, MALFORMED when it is not said whom to trust; MALFORMED when the authorities are no certificates
 * @throws IO when a file cannot be read, or the browser lacks what it takes
 */
export async function judge(question: Question): Promise<FileVerdict> {
  const { subject, leaf, data, authorities } = question
  const trust = readTrustText(question.trust)
  const start = await bytesOf(subject.slice(0, START))
  const { crypto } = globalThis as { crypto?: { readonly subtle?: unknown } }
  if (fileKind(start) === 'time-stamp' && crypto?.subtle === undefined) {
    const places = 'a disk, from https or from this machine'
    throw new CairnError('IO', `a browser checks time-stamps only on a page from ${places}`)
  }
  return verifyFile({
    bytes: await read('the file', subject, limitOf(start)),
    trust,
    ...(leaf && { leaf: await read('the leaf', leaf, MAX_FILE_SIZE) }),
    ...(data && { data: await read('the checkpoint', data, MAX_FILE_SIZE) }),
    ...(authorities && {
      authorities: await read('the file of certificates', authorities, MAX_FILE_SIZE),
    }),
  })
}

function limitOf(start: Uint8Array): number {
  if (isEvidence(start)) return MAX_EVIDENCE_SIZE
  return isCompleteList(start) ? MAX_COMPLETE_LIST_SIZE : MAX_FILE_SIZE
}

/** @throws TOO_LARGE above a limit in bytes; IO */
async function read(what: string, blob: Blob, limit: number): Promise<Uint8Array> {
  if (blob.size <= limit) return bytesOf(blob)
  throw new CairnError(
    'TOO_LARGE',
    `${what} has ${blob.size} bytes, and nothing that can be verified has more than ${limit}`,
  )
}

/** The bytes of a file. @throws IO when it cannot be read, or not any more */
export async function bytesOf(blob: Blob): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.arrayBuffer())
  } catch (cause) {
    throw new CairnError('IO', `the file cannot be read: ${messageOf(cause)}`, { cause })
  }
}
