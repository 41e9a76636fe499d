/** Inputs to begin with: the vectors of spec/vectors, and time-stamps that were made once. */
import { readFileSync } from 'node:fs'
import { stringify } from 'yaml'
import { concat, fromBase64, fromBase64Url, fromHex, toBase64, u64, utf8 } from '../../src/bytes.ts'
import { encodeCbor } from '../../src/formats/cbor.ts'
import { type Policy, parsePolicy } from '../../src/formats/policy.ts'
import { RETENTION_VERSION } from '../../src/formats/retention.ts'
import { DEFAULT_RETENTION_DOCUMENT } from '../../src/formats/retention-table.ts'
import { SECRET_RULES_VERSION } from '../../src/formats/secrets.ts'
import { digitallySigned } from '../../src/formats/tree-head.ts'
import { parseVkey, type VerifierKey } from '../../src/formats/vkey.ts'

export type Seeds = ReturnType<typeof makeSeeds>

interface Receipts {
  readonly receipts: readonly { readonly leaf: string; readonly receipt: string }[]
}

interface Tree {
  readonly inclusion: readonly Inclusion[]
  readonly inclusion_invalid: readonly Inclusion[]
  readonly consistency: readonly Consistency[]
  readonly consistency_invalid: readonly Consistency[]
}

interface Inclusion {
  readonly index: number
  readonly size: number
  readonly leaf_hash: string
  readonly path: readonly string[]
  readonly root: string
}

interface Consistency {
  readonly first: number
  readonly second: number
  readonly path: readonly string[]
  readonly first_root: string
  readonly second_root: string
}

interface Subtree {
  readonly start: number
  readonly end: number
  readonly size: number
  readonly hash: string
  readonly path: readonly string[]
  readonly root: string
}

interface CompletenessSeeds {
  readonly leaves: readonly string[]
  readonly checkpoint: string
  readonly map_root: { readonly entry: number; readonly size: number }
  readonly proofs: readonly { readonly proof: string }[]
  readonly files: readonly { readonly file: string }[]
}

interface EvidenceSeeds {
  readonly archive: string
  readonly evidence: readonly {
    readonly time: number
    readonly files: readonly { readonly name: string; readonly text: string }[]
    readonly policy?: string
    readonly valid: boolean
  }[]
}

const OTLP_JSON = [
  '{}',
  '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"gen_ai.choice","timeUnixNano":1e18,"body":{"kvlistValue":{"values":[{"key":"index","value":{"intValue":0}},{"key":"message","value":{"kvlistValue":{"values":[{"key":"content","value":{"stringValue":"\\u2614"}}]}}}]}}}]}]}]}',
  '{"resourceLogs":[{"resource":{"attributes":[{"key":"service.version","value":{"doubleValue":"NaN"}}]},"scopeLogs":[{"logRecords":[{"traceId":"00","attributes":[{"key":"mcp.method.name","value":{"arrayValue":{"values":[{"boolValue":true},{"bytesValue":"AP8="}]}}}]}]}]}]}',
]

const RETENTION_TABLE = {
  version: RETENTION_VERSION,
  regimes: {
    'a-law': {
      title: 'A law',
      source: 'Article 1',
      basis: 'law',
      keep: 'P6M',
      types: ['decision'],
    },
    custom: { title: 'A custom', source: 'None', basis: 'customary' },
  },
  classes: { short: { about: 'Short', keep: 'P1D', regimes: ['a-law'] } },
  jurisdictions: { eu: { about: 'Union', class: 'short', regimes: ['custom'] } },
}

const RETENTION_YAML = `# ours
version: ${RETENTION_VERSION}
regimes: &none {}
classes:
  short: &short { about: Short, keep: P30D }
  copy: *short
  merged:
    <<: *short
    regimes: [*none]
jurisdictions:
  eu: {about: "Union", class: short}
`

const SECRET_RULES = {
  version: SECRET_RULES_VERSION,
  actions: { iban: 'off', jwt: 'warn' },
  rules: [
    { name: 'codename', pattern: 'project-[0-9]{4}', action: 'refuse' },
    {
      name: 'member',
      pattern: 'M-(live|test)?-[0-9]{12,16}',
      action: 'mask',
      check: 'luhn',
    },
  ],
}

const SECRET_PATTERNS = [
  'project-[0-9]{4}',
  'acme_(live|test)_[A-Za-z0-9]{32}',
  '[A-Z]{2,4}-\\d{6}x?y',
  '[ab]{2,300}[!-]{0,3}c',
  '(a+)+$',
  '(?:a|ab)d*',
]

/** A claim about a tree as bytes: numbers of 64 bits, then hashes. */
function claimBytes(numbers: readonly number[], hashes: readonly string[]): Uint8Array {
  return concat(...numbers.map(u64), ...hashes.map((hash) => fromHex(hash)))
}

/** Seeds for every target. `folder` is spec/vectors. */
export function makeSeeds(folder: URL) {
  const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as T
  const keys = read<{
    keys: { type: string; role: string; vkey: string }[]
    skey: string
    policy: string
    invalid: { vkey: string }[]
  }>('keys.json')
  const checkpoints = read<{ valid: { note: string }[]; invalid: { note: string }[] }>(
    'checkpoints.json',
  )
  const tiles = read<{
    bundle: string
    cbor_sequence: string
    paths: { path: string }[]
    invalid_paths: string[]
  }>('tiles.json')
  const tree = read<Tree>('tree.json')
  const [json, proofs, cose] = ['json-receipts.json', 'tlog-proofs.json', 'cose-receipts.json'].map(
    (name) => read<Receipts>(name).receipts,
  ) as [Receipts['receipts'], Receipts['receipts'], Receipts['receipts']]

  const notes = [...checkpoints.valid, ...checkpoints.invalid].map(({ note }) => note)
  const keyOf = (type: string, role: string): VerifierKey[] =>
    keys.keys
      .filter((key) => key.role === role && key.type.startsWith(type))
      .map(({ vkey }) => parseVkey(vkey))
  const [logKey] = keyOf('01', 'log') as [VerifierKey]
  const witnessKeys = keyOf('04', 'witness')
  const policy: Policy = parsePolicy(utf8(`quorum none\n`))

  const subtrees = read<{ proofs: Subtree[]; invalid: Subtree[] }>('subtrees.json')
  const records = read<{
    records: { submission: string; record: string; disclosures: string[] }[]
    submissions_refused: { submission: string }[]
    records_refused: { record: string }[]
  }>('records.json')
  const splitViews = read<{ split_views: { split_view: string }[] }>('split-views.json').split_views
  const evidence = read<EvidenceSeeds>('evidence.json')
  const exported = (file: string): Uint8Array =>
    new Uint8Array(readFileSync(new URL(`../../test/formats/otlp/${file}`, folder)))
  const { steps } = read<{ steps: { path: string; body?: string }[] }>('witness.json')
  const bodies = (path: string): Uint8Array[] =>
    texts(steps.flatMap((step) => (step.path === path ? (step.body ?? []) : [])))
  const stamps = JSON.parse(
    readFileSync(new URL('../../test/fuzz/time-stamps.json', folder), 'utf8'),
  ) as { responses: string[]; certificates: string[] }
  const receiptTexts = [...json, ...proofs].map(({ receipt }) => utf8(receipt))
  const coseReceipts = cose.map(({ receipt }) => fromHex(receipt))

  return {
    logKey,
    witnessKeys,
    policy,
    leaf: fromHex(proofs[0]!.leaf),
    numbers: texts(['0', '1', '42', '9007199254740991', '9007199254740992', '01', '-1']),
    base64: texts(['', 'AA==', 'AAA=', 'AAAA', 'AR==', '-_==', toBase64(new Uint8Array(32))]),
    hex: texts(['', '00', '0aff', '0A', '0']),
    vkeys: texts([...keys.keys, ...keys.invalid].map(({ vkey }) => vkey)),
    skeys: texts([keys.skey]),
    notes: texts(notes),
    checkpoints: texts(notes.map((note) => note.slice(0, note.indexOf('\n\n') + 1))),
    signatureLines: texts(notes.map((note) => note.slice(note.indexOf('\n\n') + 2))),
    policies: texts([
      keys.policy,
      'quorum none\n',
      `# a comment\n\twitness  a ${keys.keys[2]!.vkey} https://w.example/\ngroup g any a\nquorum g`,
    ]),
    addCheckpoints: bodies('/add-checkpoint'),
    signSubtrees: bodies('/sign-subtree'),
    tlogProofs: proofs.map(({ receipt }) => utf8(receipt)),
    jsonReceipts: json.map(({ receipt }) => utf8(receipt)),
    submissions: texts(
      [...records.records, ...records.submissions_refused].map(({ submission }) => submission),
    ),
    records: texts([...records.records, ...records.records_refused].map(({ record }) => record)),
    disclosures: records.records.flatMap(({ disclosures }) =>
      disclosures.map((disclosure) => fromBase64Url(disclosure)),
    ),
    coseReceipts,
    receipts: [...receiptTexts, ...coseReceipts],
    cbor: [
      ...coseReceipts,
      encodeCbor([0, -1, 2 ** 40, 'text', new Uint8Array(3), null, true, new Map([[1, []]])]),
    ],
    cborSequences: [fromHex(tiles.cbor_sequence)],
    tilePaths: texts([...tiles.paths.map(({ path }) => path), ...tiles.invalid_paths]),
    bundles: [concat(Uint8Array.of(12), fromHex(tiles.bundle)), Uint8Array.of(0, 0, 1, 7)],
    splitViews: texts(splitViews.map((view) => view.split_view)),
    digitallySigned: [digitallySigned(new Uint8Array(70))],
    inclusion: [...tree.inclusion, ...tree.inclusion_invalid].map(
      ({ index, size, leaf_hash, root, path }) =>
        claimBytes([index, size], [leaf_hash, root, ...path]),
    ),
    consistency: [...tree.consistency, ...tree.consistency_invalid].map((claim) =>
      claimBytes([claim.first, claim.second], [claim.first_root, claim.second_root, ...claim.path]),
    ),
    subtrees: [...subtrees.proofs, ...subtrees.invalid].map(
      ({ start, end, size, hash, root, path }) =>
        claimBytes([start, end, size], [hash, root, ...path]),
    ),
    logLists: texts([
      `# a comment\nlogs/v0\n\nvkey ${keys.keys[0]!.vkey}\nqpd 86400\ncontact log@example.org\n`,
      'logs/v0\nvkey b.example+bbbbbbbb+BBBB\norigin an origin\n\tqpd 24\t\n  contact x y\n',
    ]),
    queries: texts(['wait=witnessed', 'hash=AA%2B%3D&tree_size=13', 'wait=a&wait=b']),
    accepts: texts(['text/plain;q=0.5, application/json', '*/*', 'text/*;q=0', 'image/png']),
    timeStamps: stamps.responses.map((response) => fromBase64(response)),
    completeness: read<CompletenessSeeds>('completeness.json'),
    evidence: { ...evidence, archive: fromBase64(evidence.archive) },
    otlpJson: [exported('sdk-json.txt'), ...texts(OTLP_JSON)],
    otlpProtobuf: [exported('sdk.pb'), exported('python.pb'), fromHex('0a0812061204120200ff')],
    retentionTables: texts(
      [DEFAULT_RETENTION_DOCUMENT, RETENTION_TABLE].map((one) => JSON.stringify(one)),
    ),
    retentionYaml: texts([RETENTION_YAML, stringify(RETENTION_TABLE)]),
    secretPatterns: texts(SECRET_PATTERNS),
    secretRules: texts(
      [SECRET_RULES, { version: SECRET_RULES_VERSION }].map((one) => JSON.stringify(one)),
    ),
    certificates: stamps.certificates.map((certificate) => fromBase64(certificate)),
  }
}

function texts(all: readonly string[]): Uint8Array[] {
  return all.map(utf8)
}
