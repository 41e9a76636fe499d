/** The JSON of a witness's own routes, as JSON Schema. */
import type { TObject, TString } from 'typebox'
import { Type } from '../typebox.ts'

const Size = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Hash = Type.String({
  pattern: '^[A-Za-z0-9+/]{43}=$',
  description: 'a SHA-256 hash in base64',
})
const Time = Type.String({ format: 'date-time' })
const closed = { additionalProperties: false }

export const OriginHash: TString = Type.String({
  pattern: '^[0-9a-f]{64}$',
  description: "SHA-256 of a log's origin, as 64 lowercase hexadecimal digits",
})
export const ConflictId: TString = Type.String({
  pattern: '^[0-9a-f]{32}$',
  description: '32 lowercase hexadecimal digits',
})

/** A log that is watched. */
export const WatchedLog: TObject = Type.Object(
  {
    origin: Type.String(),
    origin_hash: OriginHash,
    vkeys: Type.Array(Type.String()),
    tree_size: Type.Optional(Size),
    root_hash: Type.Optional(Hash),
    cosigned_at: Type.Optional(Time),
  },
  closed,
)

export const WatchedLogs: TObject = Type.Object({ logs: Type.Array(WatchedLog) }, closed)

/** What watches a log, or replaces its keys. */
export const LogKeys: TObject = Type.Object(
  { vkeys: Type.Array(Type.String(), { minItems: 1, description: 'verifier keys of one log' }) },
  closed,
)

const head = { tree_size: Size, root_hash: Hash }
const conflict = {
  id: ConflictId,
  origin: Type.String(),
  origin_hash: OriginHash,
  kind: Type.String({
    pattern: '^(split-view|unproven)$',
    description:
      'split-view: the heads can never fit, and are evidence by themselves; unproven: there was no valid proof that the refused head extends the cosigned one',
  }),
  seen_at: Time,
}

export const Conflicts: TObject = Type.Object(
  {
    conflicts: Type.Array(
      Type.Object(
        { ...conflict, cosigned: Type.Object(head, closed), refused: Type.Object(head, closed) },
        closed,
      ),
    ),
  },
  closed,
)

const signedHead = Type.Object(
  { ...head, checkpoint: Type.String({ description: "a note with the log's signatures" }) },
  closed,
)

export const Conflict: TObject = Type.Object(
  { ...conflict, cosigned: signedHead, refused: signedHead },
  closed,
)

export const WitnessReadiness: TObject = Type.Object(
  { mode: Type.String({ pattern: '^(ready|stopped)$' }), reason: Type.Optional(Type.String()) },
  closed,
)
