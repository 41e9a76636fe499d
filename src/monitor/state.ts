/**
 * What a monitor remembers of one log, as a file of text:
 *
 *     cairn-monitor-state/v1
 *     digest <base64 of the SHA-256 of all that follows this line>
 *     { … JSON … }
 *
 * A monitor that forgets a head can be shown another in its place, so a state that is damaged is never taken for none.
 */
import type { Static } from 'typebox'
import { sha256 } from '#sha256'
import { equal, fromBase64, fromUtf8, toBase64, utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { openCheckpoint } from '../formats/open-checkpoint.ts'
import type { SignedHead } from '../formats/split-view.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import { Frontier } from '../merkle/frontier.ts'
import { nodeHash, type RootHash, rootHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import { Compile, Type } from '../typebox.ts'
import { type Alert, type AlertKind, SEVERITIES } from './alert.ts'

/** A head that was shown somewhere. Times are milliseconds since 1970. */
export interface ShownHead extends SignedHead {
  /** Who showed it: an address of the log, or a witness's name. */
  readonly source: string
  /** When it was first seen there. */
  readonly since: number
}

/** The largest head that a source has shown. */
export interface Shown {
  readonly size: TreeSize
  readonly root: RootHash
  readonly since: number
}

export interface Cosigned {
  /** Seconds since 1970, as the witness signed them. */
  readonly time: number
  /** Size of the tree that it cosigned then. */
  readonly size: TreeSize
}

export interface LogState {
  readonly origin: string
  /** The newest head whose tree was recomputed. */
  readonly head: ShownHead | undefined
  /** Whether all entries were read, or of some only their hashes, because the log does not show them to everybody. */
  readonly entries: 'read' | 'hashes'
  /** The frontier of that tree. */
  readonly frontier: Frontier
  /** The frontier of all that is kept of the tree, which may be on its way to a head that is not reached yet. */
  readonly progress: Frontier
  readonly shown: ReadonlyMap<string, Shown>
  /** Heads larger than the tree, to be compared once it has grown so far. */
  readonly pending: readonly ShownHead[]
  /** The sources whose last head contradicts another. */
  readonly contradicting: ReadonlySet<string>
  /** Names of the files of evidence that were kept. */
  readonly evidence: readonly string[]
  /** What each witness has signed last, by its name. */
  readonly cosigned: ReadonlyMap<string, Cosigned>
  readonly alerts: readonly Alert[]
}

const HEADER = 'cairn-monitor-state/v1'
const DIGEST = 'digest '

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Hash = Type.String({ minLength: 44, maxLength: 44 })
const Tree = strict({ size: Count, frontier: Type.Array(Hash) })
const HeadShape = strict({ note: Type.String(), source: Type.String(), since: Count })
const Shape = strict({
  origin: Type.String(),
  head: Type.Optional(HeadShape),
  entries: Type.Union([Type.Literal('read'), Type.Literal('hashes')]),
  tree: Tree,
  progress: Tree,
  shown: Type.Array(strict({ source: Type.String(), size: Count, root: Hash, since: Count })),
  pending: Type.Array(HeadShape),
  contradicting: Type.Array(Type.String()),
  evidence: Type.Array(Type.String()),
  cosigned: Type.Array(strict({ witness: Type.String(), time: Count, size: Count })),
  alerts: Type.Array(
    strict({
      kind: Type.String(),
      source: Type.String(),
      message: Type.String(),
      since: Count,
      evidence: Type.Optional(Type.String()),
    }),
  ),
})
const shape = Compile(Shape)

function strict<T extends Parameters<typeof Type.Object>[0]>(members: T) {
  return Type.Object(members, { additionalProperties: false })
}

/** What is known of a log before the first look. */
export function freshState(origin: string): LogState {
  return {
    origin,
    head: undefined,
    entries: 'read',
    frontier: new Frontier(),
    progress: new Frontier(),
    shown: new Map(),
    pending: [],
    contradicting: new Set(),
    evidence: [],
    cosigned: new Map(),
    alerts: [],
  }
}

export function formatState(state: LogState): Uint8Array {
  const value: Static<typeof Shape> = {
    origin: state.origin,
    ...(state.head && { head: headOf(state.head) }),
    entries: state.entries,
    tree: treeOf(state.frontier),
    progress: treeOf(state.progress),
    shown: [...state.shown].map(([source, { size, root, since }]) => ({
      source,
      size,
      root: toBase64(root),
      since,
    })),
    pending: state.pending.map(headOf),
    contradicting: [...state.contradicting],
    evidence: [...state.evidence],
    cosigned: [...state.cosigned].map(([witness, { time, size }]) => ({ witness, time, size })),
    alerts: [...state.alerts],
  }
  const content = `${JSON.stringify(value, null, 1)}\n`
  return utf8(`${HEADER}\n${DIGEST}${toBase64(sha256(utf8(content)))}\n${content}`)
}

function headOf({ note, source, since }: ShownHead): Static<typeof HeadShape> {
  return { note, source, since }
}

function treeOf({ size, hashes }: Frontier): Static<typeof Tree> {
  return { size, frontier: hashes.map(toBase64) }
}

/**
 * Reads the state of a log, `place` being where it is kept. Its heads are verified again.
 * @throws CORRUPT when it is damaged; NEWER_FORMAT; USAGE when it was kept with other keys
 */
export function parseState(
  bytes: Uint8Array,
  log: { readonly origin: string; readonly keys: readonly VerifierKey[] },
  place: string,
): LogState {
  let value: Static<typeof Shape>
  try {
    value = parseShape(bytes, place)
    if (value.origin !== log.origin) throw new Error(`it is the state of ${value.origin}`)
  } catch (cause) {
    if (cause instanceof CairnError && cause.code === 'NEWER_FORMAT') throw cause
    throw damaged(log.origin, place, messageOf(cause), cause)
  }
  const open = (head: Static<typeof HeadShape>): ShownHead => {
    try {
      return { ...head, checkpoint: openCheckpoint(utf8(head.note), log.keys).checkpoint }
    } catch (cause) {
      const message = `the given keys have not signed the heads of ${log.origin} that were seen before (${place}): give the keys that it was followed with, or move that folder away to start over`
      throw new CairnError('USAGE', message, { cause })
    }
  }
  const head = value.head && open(value.head)
  const pending = value.pending.map(open)
  try {
    const frontier = frontierOf(value.tree)
    const progress = frontierOf(value.progress)
    const matches =
      head === undefined
        ? frontier.size === 0
        : head.checkpoint.size === frontier.size && equal(head.checkpoint.root, frontier.root())
    if (!matches) throw new Error('its frontier does not lead to its head')
    if (progress.size < frontier.size) throw new Error('its tree is smaller than its head')
    return {
      origin: log.origin,
      head,
      entries: value.entries,
      frontier,
      progress,
      shown: new Map(
        value.shown.map(({ source, size, root, since }) => [
          source,
          { size: treeSize(size), root: rootHash(fromBase64(root)), since },
        ]),
      ),
      pending,
      contradicting: new Set(value.contradicting),
      evidence: value.evidence,
      cosigned: new Map(
        value.cosigned.map(({ witness, time, size }) => [witness, { time, size: treeSize(size) }]),
      ),
      alerts: value.alerts.map((alert) => ({ ...alert, kind: kindOf(alert.kind) })),
    }
  } catch (cause) {
    throw damaged(log.origin, place, messageOf(cause), cause)
  }
}

/** What to say of a state that cannot be used. */
export function damaged(origin: string, place: string, why: string, cause?: unknown): CairnError {
  const message = `what is known of ${origin} is damaged (${place}: ${why}): put back a copy of that folder, or move it away to start over; evidence is kept elsewhere`
  return new CairnError('CORRUPT', message, { cause })
}

function parseShape(bytes: Uint8Array, place: string): Static<typeof Shape> {
  const headerEnd = bytes.indexOf(0x0a)
  const header = fromUtf8(bytes.subarray(0, Math.max(headerEnd, 0)))
  if (header !== HEADER && /^cairn-monitor-state\/v[0-9]+$/.test(header)) {
    const message = `${place} was written by a newer cairn (${header}); use the newer one`
    throw new CairnError('NEWER_FORMAT', message)
  }
  if (header !== HEADER) throw new Error(`its first line is not ${HEADER}`)
  const digestEnd = bytes.indexOf(0x0a, headerEnd + 1)
  const line = fromUtf8(bytes.subarray(headerEnd + 1, Math.max(digestEnd, 0)))
  const content = bytes.subarray(digestEnd + 1)
  const digest = line.startsWith(DIGEST) ? fromBase64(line.slice(DIGEST.length)) : undefined
  if (digest === undefined || !equal(digest, sha256(content))) {
    throw new Error('it has another digest than the one it states')
  }
  const value: unknown = JSON.parse(fromUtf8(content))
  if (shape.Check(value)) return value
  const [error] = shape.Errors(value)
  throw new Error(`${error?.instancePath} ${error?.message}`)
}

function frontierOf({ size, frontier }: Static<typeof Tree>): Frontier {
  const hashes = frontier.map((text) => nodeHash(fromBase64(text)))
  return new Frontier(treeSize(size), hashes)
}

function kindOf(kind: string): AlertKind {
  if (Object.hasOwn(SEVERITIES, kind)) return kind as AlertKind
  throw new Error(`it has an alert of an unknown kind, ${kind}`)
}
