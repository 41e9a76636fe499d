/** What is fuzzed of records: the evidence made of them, exports that become them, and the rules for keeping them. */
import { sha256 } from '#sha256'
import { toHex, utf8 } from '../../src/bytes.ts'
import { verifyEvidence } from '../../src/client/verify-evidence.ts'
import { canonicalJson } from '../../src/formats/canonical-json.ts'
import { genaiRecords, genaiRecordsInTurns } from '../../src/formats/genai-records.ts'
import { parseOtlpJson } from '../../src/formats/otlp-json.ts'
import type { OtlpLogs } from '../../src/formats/otlp-logs.ts'
import { parseOtlpProtobuf } from '../../src/formats/otlp-protobuf.ts'
import { parsePolicy } from '../../src/formats/policy.ts'
import { jsonOf, parseSubmission, prepareRecord } from '../../src/formats/record.ts'
import {
  endedBefore,
  parseRetentionTable,
  type RetentionTable,
  retentionOf,
} from '../../src/formats/retention.ts'
import { compileSecretPattern } from '../../src/formats/secret-pattern.ts'
import { findSecrets, maskSecrets, parseSecretRules } from '../../src/formats/secrets.ts'
import { formatArchive, parseArchive } from '../../src/formats/ustar.ts'
import { documentIn } from '../../src/server/document-file.ts'
import type { Target } from './fuzz.ts'
import { attempt, canonical, promise } from './promises.ts'
import type { Seeds } from './seeds.ts'

export function recordTargets(seeds: Seeds): Target[] {
  return [
    {
      ...canonical(
        'archive',
        [seeds.evidence.archive],
        (bytes) => parseArchive(bytes, 10),
        formatArchive,
      ),
      repair: withChecksums,
    },
    evidenceTarget(seeds.evidence),
    otlpTarget('otlp-json', seeds.otlpJson, parseOtlpJson),
    otlpTarget('otlp-protobuf', seeds.otlpProtobuf, parseOtlpProtobuf),
    retentionTarget('retention-table', seeds.retentionTables, parseRetentionTable),
    yamlTarget(seeds.retentionYaml),
    secretRulesTarget(seeds.secretRules),
    secretPatternTarget(seeds.secretPatterns),
  ]
}

const BLOCK = 512

/** An archive whose headers have the checksums that they should have. */
function withChecksums(input: Uint8Array): Uint8Array {
  const mended = input.slice()
  for (let at = 0; at + BLOCK <= mended.length && mended[at] !== 0; ) {
    const head = mended.subarray(at, at + BLOCK)
    head.fill(0x20, 148, 156)
    const sum = head.reduce((all, byte) => all + byte, 0)
    head.set(utf8(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
    const size = Number.parseInt(latin1(head.subarray(124, 135)), 8) || 0
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
  }
  return mended
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const SUMS = 'SHA256SUMS'

/**
 * The files of some evidence, one after the other, put into an archive with sums that fit: so what is behind the sums is
 * reached. Evidence that holds shows nothing that the log does not have.
 */
function evidenceTarget({ evidence }: Seeds['evidence']): Target {
  const [first] = evidence
  const trust = { logKeys: [], policy: parsePolicy(utf8(first!.policy!)) }
  const inLog = new Set(
    evidence
      .flatMap(({ files }) => files.filter(({ name }) => name === 'records.jsonl'))
      .flatMap(({ text }) => text.split('\n')),
  )
  const written = ({ time, files }: (typeof evidence)[number]): Uint8Array =>
    utf8([String(time), ...files.map(({ name, text }) => `@@ ${name}\n${text}`)].join('\n'))
  return {
    name: 'evidence-verdict',
    seeds: evidence.filter(({ policy }) => policy === first!.policy).map(written),
    run(input) {
      const [time = '', ...parts] = latin1(input).split('\n@@ ')
      const files = parts.map((part) => {
        const [name = ''] = part.split('\n', 1)
        return { name, bytes: new Uint8Array(Buffer.from(part.slice(name.length + 1), 'latin1')) }
      })
      // Each bad line is told by itself: so many are slow, and tell no more.
      if (files.some(({ bytes }) => bytes.filter((byte) => byte === 0x0a).length > 200))
        return false
      const sums = files
        .filter(({ name }) => name !== SUMS)
        .map(({ name, bytes }) => `${toHex(sha256(bytes))}  ${name}\n`)
      let archive: Uint8Array
      try {
        archive = formatArchive({
          time: Number(time),
          files: files.map(({ name, bytes }) => ({
            name: `cairn-evidence/${name}`,
            bytes: name === SUMS ? utf8(sums.join('')) : bytes,
          })),
        })
      } catch (error) {
        // No archive can hold these files.
        if (error instanceof RangeError) return false
        throw error
      }
      const { ok, records, problems } = verifyEvidence(archive, trust)
      if (!ok) return false
      promise(problems.length === 0, 'evidence with problems holds')
      for (const { record } of records) {
        const leaf = record && canonicalJson(record as never)
        promise(
          leaf !== undefined && inLog.has(leaf),
          'a record is shown that the log does not have',
        )
      }
      return true
    },
  }
}

const PSEUDONYM = `p_${'A'.repeat(22)}`

/** Every log record becomes a submission or is rejected, and a submission is one that gives a record. */
function otlpTarget(
  name: string,
  seeds: readonly Uint8Array[],
  parse: (bytes: Uint8Array) => OtlpLogs,
): Target {
  return {
    name,
    seeds,
    run(input) {
      const read = attempt(() => parse(input))
      if (read === undefined) return false
      const { records, rejected } = genaiRecords(read.value)
      const count = read.value.resourceLogs
        .flatMap(({ scopeLogs }) => scopeLogs)
        .reduce((sum, { logRecords }) => sum + logRecords.length, 0)
      promise(records.length + rejected.length === count, 'a log record is lost')
      const turns = [...genaiRecordsInTurns(read.value)]
      promise(turns.length <= count, 'it takes too many turns')
      const [first] = records
      if (first === undefined || input.length > 4000) return true
      const { submission } = first
      const again = parseSubmission(canonicalJson(jsonOf(submission)))
      promise(
        canonicalJson(jsonOf(again)) === canonicalJson(jsonOf(submission)),
        'another submission is read',
      )
      const { actor, subject } = submission
      attempt(() =>
        prepareRecord({
          submission,
          id: '019a9bd4-5c00-7abc-8def-0123456789ab',
          time: 0,
          tenant: 'acme',
          pseudonyms: {
            ...(actor && { actor: PSEUDONYM }),
            ...(subject && { subject: PSEUDONYM }),
          },
          salts: (salts) => new Uint8Array(16 * salts),
        }),
      )
      return true
    },
  }
}

/** The same as YAML, whose reader is slow: short tables only. */
function yamlTarget(seeds: readonly Uint8Array[]): Target {
  const target = retentionTarget('retention-yaml', seeds, (bytes) =>
    parseRetentionTable(documentIn(bytes, 'the table')),
  )
  return { ...target, run: (input) => input.length <= 2_000 && target.run(input) }
}

const NOW = Date.UTC(2026, 10, 21)
const TYPES = ['llm_request', 'decision', 'erasure'] as const

/** With any table, a record is kept for a while, and for as long as its regimes ask. */
function retentionTarget(
  name: string,
  seeds: readonly Uint8Array[],
  parse: (bytes: Uint8Array) => RetentionTable,
): Target {
  return {
    name,
    seeds,
    run(input) {
      const read = attempt(() => parse(input))
      if (read === undefined) return false
      const table = read.value
      const [jurisdiction] = table.jurisdictions.keys()
      if (jurisdiction === undefined) return true
      const classes = [undefined, ...table.classes.keys()].slice(0, 4)
      for (const type of TYPES) {
        for (const one of classes) {
          const retention = retentionOf({ class: one, type, jurisdiction, table })
          for (const time of [0, NOW]) {
            const end = retention.until(new Date(time)).getTime()
            promise(end > time && Number.isSafeInteger(end), 'a record is not kept at all')
          }
          retention.decidedBy(new Date(NOW))
          const ended = endedBefore(retention, new Date(NOW)).getTime()
          promise(ended <= NOW, 'what is yet to come has ended')
        }
      }
      return true
    },
  }
}

/** A submission with much that is nearly a secret. */
const NEARLY = parseSubmission(
  JSON.stringify({
    type: 'llm_request',
    request_id: 'project-1234',
    subject: 'ann@example.com',
    input: {
      prompt: `${'a'.repeat(300)}! ${'ab'.repeat(150)}. ${'0 '.repeat(150)} 4111 1111 1111 1111 project-1234`,
    },
    output: {
      text: `AKIA${'A'.repeat(200)} ${'x-'.repeat(100)} ${'\u2614'.repeat(50)}`,
      data: { n: 4111111111111 },
    },
  }),
)

/** Whatever an operator looks for is found in little time, and what is found can be masked or refused. */
function secretRulesTarget(seeds: readonly Uint8Array[]): Target {
  return {
    name: 'secret-rules',
    seeds,
    run(input) {
      const read = attempt(() => parseSecretRules(input))
      if (read === undefined) return false
      const findings = findSecrets(NEARLY, read.value)
      const masked = attempt(() => maskSecrets(NEARLY, findings))
      const isRefused = findings.some(({ action }) => action === 'refuse')
      promise(
        isRefused === (masked === undefined),
        'what is to be refused is not, or something else is',
      )
      return true
    },
  }
}

const TEXTS = [
  'a'.repeat(2_000),
  `${'ab'.repeat(1_000)}!`,
  `${'0 '.repeat(1_000)}project-1234`,
  `${' '.repeat(1_000)}\n${'x-'.repeat(500)}\u2614`,
]

/** No pattern that is taken looks for long, whatever it is given. */
function secretPatternTarget(seeds: readonly Uint8Array[]): Target {
  return {
    name: 'secret-pattern',
    seeds,
    run(input) {
      const read = attempt(() => compileSecretPattern(new TextDecoder().decode(input)))
      if (read === undefined) return false
      for (const text of TEXTS) {
        for (const [found] of text.matchAll(read.value)) {
          promise(found !== '', 'nothing is found, and taken for a secret')
        }
      }
      return true
    },
  }
}
