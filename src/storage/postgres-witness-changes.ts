/** A batch of a witness's changes as statements: one for each kind, whatever its number of logs. */
import { byteaArray, int8Array } from './postgres-types.ts'
import type { CosignedHead, StoredConflict, WitnessChange } from './witness-port.ts'

const ID_BYTES = 16

export interface Statement {
  readonly text: string
  readonly values: unknown[]
}

type Advance = Extract<WitnessChange, { kind: 'advance' }>
type Cosignatures = Extract<WitnessChange, { kind: 'keep-cosignatures' }>
interface Place {
  readonly origin: string
  readonly id: Uint8Array
}

/**
 * What a batch leaves behind; of changes of one row the last counts, and an advance takes older cosignatures away.
 * @throws RangeError on two heads of one log, and on an id that is none
 */
export function witnessStatements(changes: readonly WitnessChange[]): Statement[] {
  const watched = new Map<string, readonly string[]>()
  const advances = new Map<string, Advance>()
  const signed = new Map<string, Cosignatures>()
  const conflicts = new Map<string, Place & { readonly conflict?: StoredConflict }>()
  for (const change of changes) {
    switch (change.kind) {
      case 'watch':
        watched.set(change.origin, change.vkeys)
        break
      case 'advance':
        if (advances.has(change.origin)) {
          throw new RangeError(`two heads of ${change.origin} in one batch`)
        }
        advances.set(change.origin, change)
        signed.delete(change.origin)
        break
      case 'keep-cosignatures':
        signed.set(change.origin, change)
        break
      case 'keep-conflict': {
        const { origin, id } = change.conflict
        conflicts.set(nameOf({ origin, id }), { origin, id, conflict: change.conflict })
        break
      }
      case 'drop-conflict':
        conflicts.set(nameOf(change), change)
        break
    }
  }
  const kept = [...conflicts.values()].flatMap(({ conflict }) => conflict ?? [])
  const dropped = [...conflicts.values()].filter(({ conflict }) => conflict === undefined)
  return [
    ...(advances.size > 0 ? [advancing([...advances.values()])] : []),
    ...(watched.size > 0 ? [watching(watched)] : []),
    ...(signed.size > 0 ? [cosigning([...signed.values()])] : []),
    ...(kept.length > 0 ? [keeping(kept)] : []),
    ...(dropped.length > 0 ? [dropping(dropped)] : []),
  ]
}

function watching(watched: ReadonlyMap<string, readonly string[]>): Statement {
  return {
    text: `INSERT INTO logs SELECT * FROM unnest($1::text[], $2::text[])
      ON CONFLICT (origin) DO UPDATE SET vkeys = excluded.vkeys`,
    values: [[...watched.keys()], [...watched.values()].map((vkeys) => vkeys.join('\n'))],
  }
}

function advancing(advances: readonly Advance[]): Statement {
  const before = advances.map(({ previous }) => previous)
  return {
    text: `SELECT advance_heads($1::text[], $2::bigint[], $3::bigint[], $4::bytea[],
      $5::bigint[], $6::bigint[], $7::bytea[], $8::bytea[])`,
    values: [
      advances.map(({ origin }) => origin),
      int8Array(before.map((head) => head?.size ?? -1)),
      int8Array(before.map((head) => head?.timestamp ?? -1)),
      byteaArray(before.map((head) => head?.root ?? new Uint8Array())),
      ...columnsOf(advances),
      byteaArray(advances.map(({ checkpoint }) => checkpoint)),
    ],
  }
}

function cosigning(signed: readonly Cosignatures[]): Statement {
  return {
    text: `INSERT INTO cosignatures
      SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[])
      ON CONFLICT (origin) DO UPDATE
        SET size = excluded.size, time = excluded.time, root = excluded.root, lines = excluded.lines`,
    values: [
      signed.map(({ origin }) => origin),
      ...columnsOf(signed),
      byteaArray(signed.map(({ cosignatures }) => cosignatures)),
    ],
  }
}

function keeping(conflicts: readonly StoredConflict[]): Statement {
  return {
    text: `INSERT INTO conflicts
      SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::bigint[], $5::bytea[], $6::bytea[])
      ON CONFLICT (origin, id) DO UPDATE SET kind = excluded.kind, seen_at = excluded.seen_at,
        cosigned = excluded.cosigned, refused = excluded.refused`,
    values: [
      conflicts.map(({ origin }) => origin),
      byteaArray(conflicts.map(({ id }) => id)),
      conflicts.map(({ kind }) => kind),
      int8Array(conflicts.map(({ seenAt }) => seenAt)),
      byteaArray(conflicts.map(({ cosigned }) => cosigned)),
      byteaArray(conflicts.map(({ refused }) => refused)),
    ],
  }
}

function dropping(places: readonly Place[]): Statement {
  return {
    text: `DELETE FROM conflicts AS c USING unnest($1::text[], $2::bytea[]) AS gone (origin, id)
      WHERE c.origin = gone.origin COLLATE "C" AND c.id = gone.id`,
    values: [places.map(({ origin }) => origin), byteaArray(places.map(({ id }) => id))],
  }
}

/** Sizes, times and roots. */
function columnsOf(heads: readonly { readonly head: CosignedHead }[]): Buffer[] {
  return [
    int8Array(heads.map(({ head }) => head.size)),
    int8Array(heads.map(({ head }) => head.timestamp)),
    byteaArray(heads.map(({ head }) => head.root)),
  ]
}

function nameOf({ origin, id }: Place): string {
  if (id.length !== ID_BYTES) {
    throw new RangeError(`expected an id of ${ID_BYTES} bytes, got ${id.length}`)
  }
  return `${Buffer.from(id).toString('hex')} ${origin}`
}
