/**
 * The newest records, whose postings are in memory only. They are made from the stored rows whenever the index is
 * opened, so that taking in a record stores nothing but its row; once a segment is complete its postings are stored
 * together (seal.ts).
 */
import type { TimeBounds } from './columns.ts'
import { SEGMENT_WIDTH } from './positions.ts'
import { costOf, type RecordRow, visitTerms } from './record-row.ts'
import { FIELDS, type Field, type Term } from './terms.ts'

/** The records of one tenant in one segment; positions, times and costs go together. */
export interface TailRecords {
  readonly positions: readonly number[]
  /** Milliseconds since 1970. */
  readonly times: readonly number[]
  /** NaN where a record has none. */
  readonly costs: readonly number[]
  /** The positions that have a term. */
  with(term: Term): readonly number[]
  terms(): Iterable<readonly [Term, readonly number[]]>
}

/** All records of one segment. */
export class TailSegment {
  readonly #tenants = new Map<string, GrowingRecords>()
  #size = 0
  #earliest = Number.POSITIVE_INFINITY
  #latest = Number.NEGATIVE_INFINITY

  /** Adds a record, which comes after all others. */
  add(index: number, row: RecordRow): void {
    const { tenant } = row.record
    let records = this.#tenants.get(tenant)
    if (records === undefined) {
      records = new GrowingRecords()
      this.#tenants.set(tenant, records)
    }
    records.add(index % SEGMENT_WIDTH, row)
    this.#size++
    this.#earliest = Math.min(this.#earliest, row.time)
    this.#latest = Math.max(this.#latest, row.time)
  }

  /** Makes a record impossible to find by some of its terms. */
  forget(index: number, tenant: string, terms: readonly Term[]): void {
    for (const term of terms) this.#tenants.get(tenant)?.forget(index % SEGMENT_WIDTH, term)
  }

  /** How many records. */
  get size(): number {
    return this.#size
  }

  get times(): TimeBounds {
    return { earliest: this.#earliest, latest: this.#latest }
  }

  of(tenant: string): TailRecords | undefined {
    return this.#tenants.get(tenant)
  }

  tenants(): Iterable<readonly [string, TailRecords]> {
    return this.#tenants
  }
}

class GrowingRecords implements TailRecords {
  readonly positions: number[] = []
  readonly times: number[] = []
  readonly costs: number[] = []
  readonly #fields: Readonly<Record<Field, Map<string, number[]>>> = {
    request: new Map(),
    session: new Map(),
    subject: new Map(),
    actor: new Map(),
    type: new Map(),
    action: new Map(),
    model: new Map(),
    modelVersion: new Map(),
    environment: new Map(),
    blind: new Map(),
    retentionClass: new Map(),
  }

  add(position: number, row: RecordRow): void {
    this.positions.push(position)
    this.times.push(row.time)
    this.costs.push(costOf(row))
    visitTerms(row, (field, value) => {
      const values = this.#fields[field]
      const positions = values.get(value)
      if (positions === undefined) values.set(value, [position])
      else positions.push(position)
    })
  }

  forget(position: number, { field, value }: Term): void {
    const values = this.#fields[field]
    const left = this.with({ field, value }).filter((one) => one !== position)
    if (left.length > 0) values.set(value, left)
    else values.delete(value)
  }

  with({ field, value }: Term): readonly number[] {
    return this.#fields[field].get(value) ?? []
  }

  *terms(): Generator<readonly [Term, readonly number[]]> {
    for (const field of FIELDS) {
      for (const [value, positions] of this.#fields[field]) yield [{ field, value }, positions]
    }
  }
}
