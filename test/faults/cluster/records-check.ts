/** Holds the records of a log against what those who submitted them were told: in the leaves, the index and the vault. */
import { parseRecord, type RecordLeaf } from '../../../src/formats/record.ts'
import type { Vault } from '../../../src/vault/vault.ts'
import type { Findings } from './check-log.ts'
import { RECORD_TYPE, type RecordsLoad } from './records-load.ts'
import { exchange } from './request.ts'

const MAX_WORDS = 20
const ANSWER_MS = 30_000
/** What the log adds by itself, beside records. */
const OWN = Buffer.from('cairn-map/')

/** What is a record among the entries of a log. */
export interface RecordEntries {
  /** By index. */
  readonly found: ReadonlyMap<number, RecordLeaf>
  /** Takes an entry that is a record, or one that the log has added to go with them. */
  claim(entry: Uint8Array, index: number): boolean
}

export function recordEntries(): RecordEntries {
  const found = new Map<number, RecordLeaf>()
  return {
    found,
    claim(entry, index) {
      if (OWN.equals(entry.subarray(0, OWN.length))) return true
      try {
        found.set(index, parseRecord(entry))
        return true
      } catch {
        return false
      }
    },
  }
}

export interface RecordFindings {
  readonly acknowledged: number
  readonly lost: number
  readonly duplicated: number
  readonly foreign: number
  /** In the log, though nobody was told. */
  readonly unacknowledged: number
  /** Payloads that were read and are as they were submitted; those that are gone, as they must be. */
  readonly readable: number
  readonly gone: number
  readonly people: number
  readonly words: readonly string[]
}

/** What a search finds of all records, oldest first. */
export async function searchAll(url: string, token: string): Promise<string[]> {
  const ids: string[] = []
  for (let cursor = ''; ; ) {
    const path = `/v1/records?type=${RECORD_TYPE}&order=oldest&limit=1000${cursor}`
    const headers = { authorization: `Bearer ${token}` }
    const { status, body } = await exchange(url + path, { headers, timeoutMs: ANSWER_MS })
    if (status !== 200) throw new Error(`a search was answered with ${status}: ${body.toString()}`)
    const page = JSON.parse(body.toString())
    ids.push(...page.records.map(({ id }: { id: string }) => id))
    if (page.cursor === undefined) return ids
    cursor = `&cursor=${page.cursor}`
  }
}

/** @param indexed what a search finds */
export async function checkRecords(
  load: RecordsLoad,
  { found }: RecordEntries,
  indexed: readonly string[],
  vault: Pick<Vault, 'get'>,
): Promise<RecordFindings> {
  const words: string[] = []
  let lost = 0
  let duplicated = 0
  let foreign = 0
  const say = (what: string): void => {
    if (words.length < MAX_WORDS) words.push(what)
  }
  const lose = (what: string): void => {
    lost++
    say(what)
  }

  const byRequest = new Map<string, string>()
  const submitted = [...found].filter(([, { type }]) => type === RECORD_TYPE)
  for (const [index, { id, request_id: request }] of submitted) {
    if (request === undefined || !load.prompts.has(request)) {
      foreign++
      say(`record ${index} is none that was submitted`)
    } else if (byRequest.has(request)) {
      duplicated++
      say(`${request} is in the log as ${byRequest.get(request)} and again as ${id}`)
    } else byRequest.set(request, id)
  }

  for (const { requests, placed } of load.jobs) {
    for (const [i, { id, index }] of (placed ?? []).entries()) {
      const there = found.get(index)
      if (there?.id === id && there.request_id === requests[i]) continue
      lose(
        `${requests[i]} was acknowledged as ${id} at ${index}, where ${there?.id ?? 'no record'} is`,
      )
    }
  }

  const times = new Map<string, number>()
  for (const id of indexed) times.set(id, (times.get(id) ?? 0) + 1)
  for (const [index, { id }] of submitted) {
    const count = times.get(id) ?? 0
    if (count === 0) lose(`record ${index} (${id}) is not found by a search`)
    if (count > 1) {
      duplicated++
      say(`record ${index} (${id}) is found ${count} times by a search`)
    }
    times.delete(id)
  }
  for (const id of times.keys()) {
    foreign++
    say(`a search finds ${id}, which is not in the log`)
  }

  // Who is erased is in the log before it is done, and it is done before it is acknowledged, or by the next leader.
  const ordered = new Set<string>()
  for (const { type, subject } of found.values()) if (type === 'erasure') ordered.add(subject!)
  for (const pseudonym of load.erased) {
    if (!ordered.has(pseudonym)) lose(`the erasure of ${pseudonym} is not in the log`)
  }
  let readable = 0
  let gone = 0
  for (const [index, { id, tenant, subject, request_id: request }] of submitted) {
    const disclosures = await vault.get(tenant, id)
    if (ordered.has(subject!)) {
      gone++
      if (disclosures !== 'erased') lose(`record ${index} has a payload again that was erased`)
      continue
    }
    const prompt = Array.isArray(disclosures) && promptOf(disclosures)
    if (prompt === load.prompts.get(request!)) readable++
    else lose(`the payload of record ${index} (${id}) is ${String(prompt)}, not what was submitted`)
    // Nobody who is held may have been erased under any pseudonym.
  }
  for (const [, { subject, request_id: request }] of submitted) {
    if (!ordered.has(subject!) || !load.held.has(load.subjects.get(request!) ?? '')) continue
    lose(`${request} was about somebody who was held, and is erased`)
  }
  const acknowledged = load.counts.acknowledged
  return {
    acknowledged,
    lost,
    duplicated,
    foreign,
    unacknowledged: submitted.length - acknowledged,
    readable,
    gone,
    people: ordered.size,
    words,
  }
}

function promptOf(disclosures: readonly { pointer: string; json: Uint8Array }[]): unknown {
  const sealed = disclosures.find(({ pointer }) => pointer === '/input/prompt')
  return sealed && JSON.parse(Buffer.from(sealed.json).toString())[2]
}

/** Leaves and records together. */
export function withRecords(findings: Findings, records: RecordFindings): Findings {
  const { acknowledged, lost, duplicated, foreign, words } = records
  return {
    ...findings,
    acknowledged: findings.acknowledged + acknowledged,
    lost: findings.lost + lost,
    duplicated: findings.duplicated + duplicated,
    foreign: findings.foreign + foreign,
    words: [...findings.words, ...words],
  }
}
