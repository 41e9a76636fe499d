/** The JSON that the routes take and give, as JSON Schema: documentation, and what the tests hold answers against. */
import type { TInteger, TObject, TString, TUnion } from 'typebox'
import { Type } from '../typebox.ts'

const MAX_SIZE = Number.MAX_SAFE_INTEGER

/** A decimal number in a path or query, which is text there. */
export const Decimal: TString = Type.String({
  pattern: '^(0|[1-9][0-9]{0,15})$',
  description: 'a decimal number up to 2^53-1 without sign or leading zeros',
})

export const LeafReference: TString = Type.String({
  pattern: '^(0|[1-9][0-9]{0,15}|[0-9a-f]{64})$',
  description: 'a leaf index, or a leaf hash as 64 lowercase hexadecimal digits',
})

const HASH_IN_BASE64 = 'a SHA-256 hash in base64'

/** 32 bytes. */
const Hash: TString = Type.String({
  pattern: '^[A-Za-z0-9+/]{43}=$',
  description: HASH_IN_BASE64,
})

/** As a parameter its spelling is left to the decoder, which says more about what is wrong. */
export const HashParameter: TString = Type.String({ description: HASH_IN_BASE64 })

const Base64 = Type.String({ contentEncoding: 'base64' })
const Hashes = Type.Array(Hash)
const Size: TInteger = Type.Integer({ minimum: 0, maximum: MAX_SIZE })
const closed = { additionalProperties: false }

/** A receipt in JSON, `cairn-receipt/v1`. */
export const Receipt: TObject = Type.Object(
  {
    version: Type.String({ pattern: '^cairn-receipt/v1$' }),
    origin: Type.String(),
    index: Size,
    leaf_hash: Hash,
    inclusion_path: Hashes,
    tree_size: Size,
    root_hash: Hash,
    checkpoint: Type.String({ description: 'the checkpoint, a signed note' }),
  },
  closed,
)

const Receipts: TObject = Type.Object({ receipts: Type.Array(Receipt) }, closed)
const Index: TObject = Type.Object({ index: Size }, closed)
const Indices: TObject = Type.Object({ indices: Type.Array(Size) }, closed)

export const Accepted: TUnion = Type.Union([Receipt, Receipts, Index, Indices])

const RecordId = Type.String({ format: 'uuid', description: 'the id of the record, a UUIDv7' })

const AcceptedRecord = Type.Object(
  { id: RecordId, index: Size, receipt: Type.Optional(Receipt) },
  closed,
)

/** What is answered to one record, or to many. */
export const AcceptedRecords: TUnion = Type.Union([
  AcceptedRecord,
  Type.Object({ records: Type.Array(AcceptedRecord) }, closed),
])

/** A record as it is submitted; spec/record.schema.json says it in full. */
export const Submission: TObject = Type.Object(
  { type: Type.String() },
  { description: 'an audit record, as spec/record.md describes it' },
)

export const InclusionProof: TObject = Type.Object(
  { leaf_index: Size, tree_size: Size, inclusion_path: Hashes },
  closed,
)

export const ConsistencyProof: TObject = Type.Object(
  { first_size: Size, second_size: Size, consistency_path: Hashes },
  closed,
)

export const SignedTreeHead: TObject = Type.Object(
  { tree_size: Size, timestamp: Size, sha256_root_hash: Hash, tree_head_signature: Base64 },
  closed,
)

export const CtConsistency: TObject = Type.Object({ consistency: Hashes }, closed)

export const CtProof: TObject = Type.Object({ leaf_index: Size, audit_path: Hashes }, closed)

const CtEntry = { leaf_input: Base64, extra_data: Type.String({ maxLength: 0 }) }

export const CtEntries: TObject = Type.Object(
  { entries: Type.Array(Type.Object(CtEntry, closed)) },
  closed,
)

export const CtEntryAndProof: TObject = Type.Object({ ...CtEntry, audit_path: Hashes }, closed)

const Time = Type.String({ format: 'date-time' })

export const Witnesses: TObject = Type.Object(
  {
    quorum: Type.Union([Type.String(), Type.Null()], {
      description: 'whose cosignatures a published head needs; null when it needs none',
    }),
    committed_size: Size,
    published_size: Type.Union([Size, Type.Null()]),
    witnesses: Type.Array(
      Type.Object(
        {
          names: Type.Array(Type.String(), { description: 'what the policy calls its keys' }),
          url: Type.String(),
          state: Type.String({ pattern: '^(new|cosigning|retrying|suspended)$' }),
          size: Type.Optional(Size),
          lag: Type.Integer({ minimum: 0, description: 'leaves that the log has beyond its size' }),
          cosigned_at: Type.Optional(Time),
          latency_ms: Type.Optional(Type.Number({ minimum: 0 })),
          failures: Type.Integer({ minimum: 0, description: 'in a row' }),
          last_error: Type.Optional(Type.String()),
          retry_at: Type.Optional(Time),
        },
        closed,
      ),
    ),
  },
  closed,
)

export const GossipReport: TObject = Type.Object(
  {
    sinks: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          kind: Type.String({ pattern: '^(time-stamp-authority|syslog|webhook|file|cairn-log)$' }),
          last_size: Size,
          lag: Type.Integer({ minimum: 0, description: 'published leaves beyond its size' }),
          last_success: Type.Optional(Time),
          last_receipt: Type.Optional(Type.String()),
          last_error: Type.Optional(Type.Object({ at: Time, message: Type.String() }, closed)),
          attempts: Type.Integer({ minimum: 0 }),
          failures: Type.Integer({ minimum: 0 }),
          failures_in_a_row: Type.Integer({ minimum: 0 }),
          contradiction: Type.Optional(
            Type.String({ description: 'what it has seen that does not fit the log' }),
          ),
        },
        closed,
      ),
    ),
  },
  closed,
)

export const Readiness: TObject = Type.Object(
  {
    logs: Type.Array(
      Type.Object(
        { name: Type.String(), mode: Type.String(), reason: Type.Optional(Type.String()) },
        closed,
      ),
    ),
  },
  closed,
)

/** ExportLogsServiceRequest, ExportLogsServiceResponse and google.rpc.Status in JSON, as far as a client needs them. */
export const OtlpExport: TObject = Type.Object({
  resourceLogs: Type.Optional(
    Type.Array(Type.Object({}), { description: 'as in opentelemetry-proto 1.x' }),
  ),
})
export const OtlpResponse: TObject = Type.Object(
  {
    partialSuccess: Type.Optional(
      Type.Object({ rejectedLogRecords: Decimal, errorMessage: Type.String() }, closed),
    ),
  },
  closed,
)
export const OtlpStatus: TObject = Type.Object({ message: Type.String() }, closed)

const problemProperties = {
  type: Type.String({ format: 'uri' }),
  title: Type.String(),
  status: Type.Integer({ minimum: 400, maximum: 599 }),
  detail: Type.String({ description: 'what to mend' }),
  code: Type.String({ description: 'a stable error code' }),
}

/** An RFC 9457 problem document. */
export const Problem: TObject = Type.Object(problemProperties)
