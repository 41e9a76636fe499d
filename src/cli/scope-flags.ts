/** The flags that say which records are meant: of a search, a hold, a grant, or evidence. */
import type { Command } from 'commander'
import { usage } from '../errors.ts'
import type { EvidenceQuery } from '../formats/evidence-manifest.ts'
import { LOG_RECORD_TYPES, RECORD_TYPES } from '../formats/record-members.ts'
import { LOG_TIME, TIME } from '../formats/record-values.ts'

/** Records that have all of this; people by their names or their pseudonyms. */
export interface ScopeFlags {
  readonly request?: string
  readonly session?: string
  readonly trace?: string
  readonly subject?: string
  readonly actor?: string
  readonly type?: string
  readonly action?: string
  readonly resource?: string
  readonly model?: string
  readonly modelVersion?: string
  readonly environment?: string
  readonly from?: string
  readonly before?: string
  readonly minCost?: number
}

const TYPES: readonly string[] = [...RECORD_TYPES, ...LOG_RECORD_TYPES]

/** Adds the flags; `trace` stays away where records cannot be found by it. */
export function withScope(
  command: Command,
  { trace = true }: { readonly trace?: boolean } = {},
): void {
  command
    .option('--request <id>', 'records of this request')
    .option('--session <id>', 'records of this session')
  if (trace) command.option('--trace <id>', 'records of this trace: 32 hexadecimal digits')
  command
    .option('--subject <person>', 'records about this person, by name or pseudonym')
    .option('--actor <person>', 'what this person did, by name or pseudonym')
    .option('--type <type>', 'records of this type, such as llm_request', typeFlag)
    .option('--action <action>', 'records of this action')
    .option('--resource <resource>', 'what was done to this resource')
    .option('--model <name>', 'records of this model')
    .option('--model-version <version>', 'records of this version of a model')
    .option('--environment <name>', 'records of this environment')
    .option('--from <time>', 'not before this time: 2026-11-21, or 2026-11-21T12:00:00Z', timeFlag)
    .option('--before <time>', 'before this time', timeFlag)
    .option('--min-cost <cost>', 'records that cost at least this', costFlag)
}

/** What the flags ask for; times in UTC. */
export function scopeOf(flags: ScopeFlags): EvidenceQuery {
  const members: Record<keyof EvidenceQuery, string | number | undefined> = {
    request_id: flags.request,
    session_id: flags.session,
    trace_id: flags.trace,
    subject: flags.subject,
    actor: flags.actor,
    type: flags.type,
    action: flags.action,
    resource: flags.resource,
    model: flags.model,
    model_version: flags.modelVersion,
    environment: flags.environment,
    from: flags.from,
    before: flags.before,
    minimum_cost: flags.minCost,
  }
  const given = Object.entries(members).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as EvidenceQuery
}

/** A scope as a person reads it: `request req-1, type llm_request`; `all records` when it is empty. */
export function scopeWords(scope: EvidenceQuery): string {
  const words = Object.entries(scope).map(
    ([name, value]) => `${name.replace(/_id$/, '').replaceAll('_', ' ')} ${value}`,
  )
  return words.length === 0 ? 'all records' : words.join(', ')
}

function typeFlag(text: string): string {
  if (TYPES.includes(text)) return text
  throw usage(`--type takes one of ${TYPES.join(', ')}, not '${text}'`)
}

/** A day begins at midnight, UTC. @throws USAGE */
function timeFlag(text: string): string {
  const time = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text) ? `${text}T00:00:00Z` : text
  if (TIME.holds(time)) {
    const inUtc = new Date(time).toISOString()
    if (LOG_TIME.holds(inUtc)) return inUtc
  }
  throw usage(`'${text}' is no time: give a day, 2026-11-21, or a time, 2026-11-21T12:00:00Z`)
}

/** @throws USAGE */
function costFlag(text: string): number {
  const cost = Number(text)
  if (/^[0-9]+(\.[0-9]+)?$/.test(text) && cost <= Number.MAX_SAFE_INTEGER) return cost
  throw usage(`--min-cost takes an amount such as 0.25, not '${text}'`)
}
