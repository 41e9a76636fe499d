/** The JSON about records that the routes take and give, as JSON Schema. */
import type { TInteger, TObject, TString } from 'typebox'
import { PERSON, SCOPE_MEMBERS } from '../compliance/scope.ts'
import { REASON, TICKET } from '../compliance/tenant-state.ts'
import {
  LOG_TIME,
  line,
  NAME,
  PSEUDONYM,
  SPAN_ID,
  TIME,
  TRACE_ID,
  UUID_V7,
} from '../formats/record-values.ts'
import { Type } from '../typebox.ts'
import { BASIS, MINUTES, member, ScopeSchema } from './record-values.ts'

const closed = { additionalProperties: false }
const Count: TInteger = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Receipt: TString = Type.String({ description: 'where its receipt is' })
const Cursor = Type.Optional(
  Type.String({ description: 'for the next page; absent on the last one' }),
)
const Size = Type.Integer({
  minimum: 0,
  description: 'the entries of the log that the answer is about: those before this size',
})
const text = Type.Optional(member(line(256)))
const time = Type.Optional(member(LOG_TIME))
const pseudonym = Type.Optional(member(PSEUDONYM))
const id = Type.Optional(member(UUID_V7))

const found = {
  index: Count,
  receipt: Receipt,
  id: member(UUID_V7),
  time: member(LOG_TIME, 'when the log took it'),
  tenant: member(NAME),
  type: member(SCOPE_MEMBERS.type),
  request_id: text,
  session_id: text,
  parent_id: id,
  trace_id: Type.Optional(member(TRACE_ID)),
  span_id: Type.Optional(member(SPAN_ID)),
  claimed_time: Type.Optional(member(TIME)),
  actor: pseudonym,
  subject: pseudonym,
  action: text,
  model: Type.Optional(Type.Object({ name: text, provider: text, version: text }, closed)),
  guardrails: Type.Optional(Type.Array(Type.Object({ name: text, verdict: text }, closed))),
  metrics: Type.Optional(Type.Object({}, { description: 'tokens, latency and cost' })),
  app_version: text,
  environment: text,
  retention_class: Type.Optional(member(NAME)),
  policy: text,
  corrects: id,
}

/** What a search gives. */
export const FoundRecords: TObject = Type.Object(
  { records: Type.Array(Type.Object(found, closed)), size: Size, cursor: Cursor },
  closed,
)

const Submission = Type.Object(
  {},
  { description: 'what was submitted, as far as it is left; null stands for an item that is not' },
)

/** One record, and what is shown of its payload. */
export const ReadRecord: TObject = Type.Object(
  {
    index: Count,
    receipt: Receipt,
    leaf_hash: Type.String({ pattern: '^[A-Za-z0-9+/]{43}=$', description: 'in base64' }),
    record: Type.Object({}, { description: 'as in the log: $defs/record of record.schema.json' }),
    payload: Type.Optional(
      Type.Union([
        Type.Object(
          {
            state: Type.Literal('shown'),
            submission: Submission,
            disclosures: Type.Array(Type.String({ pattern: '^[A-Za-z0-9_-]+$' }), {
              description: 'what opens the commitments of the record, as text that is hashed',
            }),
          },
          closed,
        ),
        Type.Object({ state: Type.Literal('erased') }, closed),
      ]),
    ),
  },
  closed,
)

export const ErasureRequest: TObject = Type.Object(
  {
    subject: member(PERSON, 'whose data to erase: the name, or the pseudonym'),
    basis: member(BASIS, 'the legal basis; it must not name anybody'),
  },
  closed,
)

export const Erased: TObject = Type.Object(
  {
    pseudonym: member(PSEUDONYM, 'what stands for the person, and leads to nobody any more'),
    records: Type.Integer({ minimum: 0, description: 'records that lost disclosures by it' }),
    erasure: Type.Object({ id: member(UUID_V7), index: Count }, closed),
  },
  closed,
)

export const Erasures: TObject = Type.Object(
  {
    erasures: Type.Array(
      Type.Object(
        {
          index: Count,
          receipt: Receipt,
          id: member(UUID_V7),
          time: member(LOG_TIME),
          actor: pseudonym,
          pseudonym,
          basis: Type.Optional(Type.String()),
        },
        closed,
      ),
    ),
    size: Size,
    cursor: Cursor,
  },
  closed,
)

export const HoldRequest: TObject = Type.Object(
  {
    name: member(NAME, 'short, and unique among the active holds'),
    reason: member(REASON),
    scope: ScopeSchema,
  },
  closed,
)

export const LiftRequest: TObject = Type.Object({ reason: member(REASON) }, closed)

/** A legal hold. */
export const Hold: TObject = Type.Object(
  {
    id: member(UUID_V7, 'the id of the record that placed it'),
    name: Type.String(),
    state: Type.Union([Type.Literal('active'), Type.Literal('lifted')]),
    reason: Type.String(),
    scope: ScopeSchema,
    placed: member(LOG_TIME),
    placed_by: Type.String({ description: 'a name; a pseudonym where the person was erased' }),
    lifted: time,
    lifted_by: Type.Optional(Type.String()),
  },
  closed,
)

export const Holds: TObject = Type.Object({ holds: Type.Array(Hold), cursor: Cursor }, closed)

export const GrantRequest: TObject = Type.Object(
  {
    purpose: member(REASON),
    ticket: member(TICKET, 'where the request is discussed'),
    scope: ScopeSchema,
    minutes: Type.Optional(member(MINUTES, 'how long it lasts once it is approved; 60 by default')),
  },
  closed,
)

const STATES = ['requested', 'approved', 'refused', 'revoked', 'expired'] as const

/** Time-bound access to payloads. */
export const Grant: TObject = Type.Object(
  {
    id: member(UUID_V7, 'the id of the record that asked for it'),
    state: Type.Union(STATES.map((state) => Type.Literal(state))),
    purpose: Type.String(),
    ticket: Type.String(),
    scope: ScopeSchema,
    minutes: Type.Integer({ minimum: 1 }),
    requested: member(LOG_TIME),
    requested_by: Type.String({ description: 'a name; a pseudonym where the person was erased' }),
    decided: time,
    decided_by: Type.Optional(Type.String()),
    until: Type.Optional(member(TIME, 'when an approved grant ends')),
  },
  closed,
)

export const Grants: TObject = Type.Object({ grants: Type.Array(Grant), cursor: Cursor }, closed)

export const EvidenceRequest: TObject = Type.Object(
  {
    scope: ScopeSchema,
    purpose: Type.Optional(member(REASON)),
    grant: Type.Optional(
      member(UUID_V7, 'the grant under which payloads are shown; without one none are'),
    ),
  },
  closed,
)

/** A report, as far as it is said here. */
export const Report: TObject = Type.Object({}, { description: 'as in report.schema.json' })
