/**
 * What is fuzzed: every parser of what strangers send. Each throws CairnError and nothing else, and where there is a
 * formatter, writes again what was read. Seeds are the vectors of spec/vectors, and what they are made of.
 */
import { isDeepStrictEqual } from 'node:util'
import { sha256 } from '#sha256'
import {
  equal,
  fromBase64,
  fromDecimal,
  fromHex,
  fromUtf8,
  toBase64,
  toHex,
  utf8,
} from '../../src/bytes.ts'
import { fileKind } from '../../src/client/file-kind.ts'
import { verifyCheckpoint } from '../../src/client/verify-checkpoint.ts'
import { verifyReceipt } from '../../src/client/verify-receipt.ts'
import { verifySplitView } from '../../src/client/verify-split-view.ts'
import { formatAddCheckpoint, parseAddCheckpoint } from '../../src/formats/add-checkpoint.ts'
import { bundlePrefix, decodeBundle, encodeBundle } from '../../src/formats/bundle.ts'
import { canonicalJson } from '../../src/formats/canonical-json.ts'
import {
  decodeByteStrings,
  decodeCbor,
  encodeByteStrings,
  encodeCbor,
} from '../../src/formats/cbor.ts'
import { parseCertificate } from '../../src/formats/certificate.ts'
import { formatCheckpoint, parseCheckpoint } from '../../src/formats/checkpoint.ts'
import { encodeCoseReceipt, parseCoseReceipt } from '../../src/formats/cose-receipt.ts'
import { encodeCoseSign1, parseCoseSign1 } from '../../src/formats/cose-sign1.ts'
import { openDisclosure } from '../../src/formats/disclosure.ts'
import { formatJsonReceipt, parseJsonReceipt } from '../../src/formats/json-receipt.ts'
import { type JsonObject, parseJson } from '../../src/formats/json-strict.ts'
import { parseLogList } from '../../src/formats/log-list.ts'
import {
  formatNote,
  formatSignatureLine,
  parseNote,
  parseSignatureLines,
} from '../../src/formats/note.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { formatPolicy, parsePolicy } from '../../src/formats/policy.ts'
import {
  jsonOf,
  parseRecord,
  parseSubmission,
  prepareRecord,
  type SubmittedRecord,
} from '../../src/formats/record.ts'
import { rebuildSubmission } from '../../src/formats/record-rebuild.ts'
import { formatSignSubtree, parseSignSubtree } from '../../src/formats/sign-subtree.ts'
import { formatSkey, parseSkey } from '../../src/formats/signing-key.ts'
import { formatSplitView, parseSplitView, SPLIT_VIEW_HEADER } from '../../src/formats/split-view.ts'
import { bundlePath, parseTilePath, tilePath } from '../../src/formats/tile.ts'
import { parseTimeStampResponse } from '../../src/formats/time-stamp.ts'
import { formatTlogProof, parseTlogProof } from '../../src/formats/tlog-proof.ts'
import { digitallySigned, parseDigitallySigned } from '../../src/formats/tree-head.ts'
import { formatVkey, parseVkey, type VerifierKey } from '../../src/formats/vkey.ts'
import { negotiate } from '../../src/http/negotiate.ts'
import { parseQuery } from '../../src/http/query.ts'
import { verifyConsistency } from '../../src/merkle/consistency.ts'
import type { LeafHash, NodeHash, RootHash } from '../../src/merkle/hash.ts'
import { verifyInclusion } from '../../src/merkle/inclusion.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import { verifySubtreeConsistency } from '../../src/merkle/subtree.ts'
import { literalConsistency, literalInclusion, literalSubtree } from '../merkle/literal-verifier.ts'
import { completenessTargets } from './completeness-targets.ts'
import type { Target } from './fuzz.ts'
import { attempt, canonical, promise } from './promises.ts'
import { recordTargets } from './record-targets.ts'
import type { Seeds } from './seeds.ts'

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** What is not UTF-8 becomes U+FFFD. */
function lossyText(input: Uint8Array): string {
  return decoder.decode(input)
}

/** A format of text, each value of which has one spelling. */
function canonicalText<T>(
  name: string,
  seeds: readonly Uint8Array[],
  parse: (text: string) => T,
  format: (value: T) => string,
): Target {
  return {
    name,
    seeds,
    run(input) {
      const text = lossyText(input)
      const read = attempt(() => parse(text))
      if (read === undefined) return false
      promise(format(read.value) === text, 'what was read is written in another way')
      return true
    },
  }
}

/** A format in which one value has several spellings: what was read is read again from what is written. */
function reread<T>(
  name: string,
  seeds: readonly Uint8Array[],
  parse: (bytes: Uint8Array) => T,
  format: (value: T) => Uint8Array,
): Target {
  return {
    name,
    seeds,
    run(input) {
      const read = attempt(() => parse(input))
      if (read === undefined) return false
      const again = parse(format(read.value))
      promise(isDeepStrictEqual(read.value, again), 'what was read is read again as another value')
      return true
    },
  }
}

/** Something that never throws, and is told here whether it held. */
function verdict(
  name: string,
  seeds: readonly Uint8Array[],
  ok: (input: Uint8Array) => boolean,
): Target {
  return { name, seeds, run: ok }
}

function withDigest(input: Uint8Array): Uint8Array {
  const lines = new TextDecoder('latin1').decode(input).split('\n')
  const content = input.subarray(
    Math.min((lines[0]?.length ?? 0) + (lines[1]?.length ?? 0) + 2, input.length),
  )
  const head = utf8(`${SPLIT_VIEW_HEADER}digest ${toBase64(sha256(content))}\n`)
  const mended = new Uint8Array(head.length + content.length)
  mended.set(head)
  mended.set(content, head.length)
  return mended
}

/** A name that is not Unicode cannot be written; all other policies can. */
function policyTarget(seeds: readonly Uint8Array[]): Target {
  return {
    name: 'policy',
    seeds,
    run(input) {
      const read = attempt(() => parsePolicy(input))
      if (read === undefined) return false
      const written = attempt(() => formatPolicy(read.value))
      if (written === undefined) {
        promise(attempt(() => fromUtf8(input)) === undefined, 'a policy cannot be written')
        return true
      }
      const again = parsePolicy(utf8(written.value))
      promise(isDeepStrictEqual(again, read.value), 'another policy is written')
      return true
    },
  }
}

/** Numbers of 64 bits, then hashes: how a claim about a tree is made of bytes. */
function claimOf(
  input: Uint8Array,
  numbers: number,
): { numbers: number[]; hashes: Uint8Array[] } | undefined {
  if (input.length < numbers * 8) return undefined
  const view = new DataView(input.buffer, input.byteOffset)
  const read = Array.from({ length: numbers }, (_, i) => Number(view.getBigUint64(i * 8)))
  if (!read.every(Number.isSafeInteger)) return undefined
  const hashes: Uint8Array[] = []
  for (let at = numbers * 8; at < input.length; at += 32) hashes.push(input.subarray(at, at + 32))
  return { numbers: read, hashes }
}

/** A proof is believed exactly when the algorithm of the standard, step by step, believes it. */
function proofTarget(
  name: string,
  seeds: readonly Uint8Array[],
  numbers: number,
  verify: (
    numbers: readonly number[],
    hashes: readonly Uint8Array[],
  ) => { ours: () => void; literal: () => boolean },
): Target {
  return {
    name,
    seeds,
    run(input) {
      const claim = claimOf(input, numbers)
      if (claim === undefined || claim.hashes.length < 2) return false
      const { ours, literal } = verify(claim.numbers, claim.hashes)
      const held = attempt(ours) !== undefined
      const areWhole = claim.hashes.every(({ length }) => length === 32)
      promise(
        held === (areWhole && literal()),
        held ? 'a false proof is believed' : 'a proof is not believed',
      )
      return held
    },
  }
}

/** What this reader takes, the platform reads as the same value. */
function jsonTarget(seeds: readonly Uint8Array[]): Target {
  return {
    name: 'json',
    seeds,
    run(input) {
      const read = attempt(() => parseJson(input, { size: 10_000, depth: 32 }))
      if (read === undefined) return false
      // As text, in which minus zero is zero.
      const byPlatform = JSON.stringify(JSON.parse(fromUtf8(input)))
      promise(JSON.stringify(read.value) === byPlatform, 'JSON.parse reads another value')
      const again = parseJson(canonicalJson(read.value), { size: 100_000, depth: 32 })
      promise(isDeepStrictEqual(again, read.value), 'canonical JSON says something else')
      return true
    },
  }
}

/** What is taken of a submitter gives a record, and comes back from it. */
function submissionTarget(seeds: readonly Uint8Array[]): Target {
  const prepare = (submission: SubmittedRecord) => {
    const { actor, subject, tenant = 'acme' } = submission
    const pseudonym = `p_${'A'.repeat(22)}`
    return prepareRecord({
      submission,
      id: '019a9bd4-5c00-7abc-8def-0123456789ab',
      time: 0,
      tenant,
      pseudonyms: { ...(actor && { actor: pseudonym }), ...(subject && { subject: pseudonym }) },
      salts: (count) => new Uint8Array(16 * count),
    })
  }
  return {
    name: 'submission',
    seeds,
    run(input) {
      const read = attempt(() => parseSubmission(input))
      if (read === undefined) return false
      // Each commitment is a hash or two: long inputs would be slow, and tell no more.
      if (input.length > 4000) return true
      const { leaf, disclosures } = prepare(read.value)
      const rebuilt = rebuildSubmission(parseRecord(leaf), disclosures)
      const same = canonicalJson(jsonOf(rebuilt)) === canonicalJson(jsonOf(read.value))
      promise(same, 'another submission comes back')
      return true
    },
  }
}

export function targets(seeds: Seeds): Target[] {
  const { logKey, witnessKeys } = seeds
  const trust = { logKeys: [logKey], policy: seeds.policy }
  const openKeys: readonly VerifierKey[] = [logKey]
  return [
    canonicalText('decimal', seeds.numbers, fromDecimal, String),
    canonicalText('base64', seeds.base64, fromBase64, toBase64),
    canonicalText('hex', seeds.hex, fromHex, toHex),
    canonicalText('vkey', seeds.vkeys, parseVkey, formatVkey),
    canonicalText('skey', seeds.skeys, parseSkey, formatSkey),
    canonical('note', seeds.notes, parseNote, formatNote),
    canonicalText('checkpoint', seeds.checkpoints, parseCheckpoint, formatCheckpoint),
    canonical('signature-lines', seeds.signatureLines, parseSignatureLines, (lines) =>
      lines.map(formatSignatureLine).join(''),
    ),
    {
      name: 'open-checkpoint',
      seeds: seeds.notes,
      run: (input) => attempt(() => openCheckpoint(input, openKeys, witnessKeys)) !== undefined,
    },
    policyTarget(seeds.policies),
    canonical('add-checkpoint', seeds.addCheckpoints, parseAddCheckpoint, formatAddCheckpoint),
    canonical('sign-subtree', seeds.signSubtrees, parseSignSubtree, formatSignSubtree),
    canonical('tlog-proof', seeds.tlogProofs, parseTlogProof, formatTlogProof),
    reread('json-receipt', seeds.jsonReceipts, parseJsonReceipt, (receipt) =>
      utf8(JSON.stringify(formatJsonReceipt(receipt))),
    ),
    canonical('cose-receipt', seeds.coseReceipts, parseCoseReceipt, (receipt) =>
      encodeCoseReceipt(receipt, receipt.message.signature),
    ),
    reread('cose-sign1', seeds.coseReceipts, parseCoseSign1, encodeCoseSign1),
    jsonTarget(seeds.submissions),
    submissionTarget(seeds.submissions),
    canonical('record', seeds.records, parseRecord, (record) =>
      canonicalJson(record as unknown as JsonObject),
    ),
    canonical(
      'disclosure',
      seeds.disclosures,
      (json) => openDisclosure({ json }),
      ({ salt, pointer, value }) => canonicalJson([salt, pointer, value]),
    ),
    canonical('cbor', seeds.cbor, decodeCbor, encodeCbor),
    canonical(
      'cbor-received',
      seeds.cbor,
      (bytes) => decodeCbor(bytes, 'received'),
      (value) => encodeCbor(value, 'received'),
    ),
    canonical(
      'cbor-sequence',
      seeds.cborSequences,
      (bytes) => decodeByteStrings(bytes, { count: 100, length: 1000 }),
      encodeByteStrings,
    ),
    canonicalText('tile-path', seeds.tilePaths, parseTilePath, (path) =>
      path.kind === 'bundle'
        ? bundlePath(path.bundle, path.width)
        : tilePath(path.level, path.tile, path.width),
    ),
    canonical(
      'bundle',
      seeds.bundles,
      (bytes) => {
        const [last = 0] = bytes
        const framed = bytes.subarray(1)
        const entries = decodeBundle(framed, last + 1)
        promise(equal(bundlePrefix(framed, last + 1), framed), 'a bundle is no prefix of itself')
        return entries
      },
      (entries) => Uint8Array.of(entries.length - 1, ...encodeBundle(entries)),
    ),
    {
      ...canonical('split-view', seeds.splitViews, parseSplitView, formatSplitView),
      repair: withDigest,
    },
    {
      ...verdict(
        'split-view-verdict',
        seeds.splitViews,
        (input) => verifySplitView(input, trust).ok,
      ),
      repair: withDigest,
    },
    verdict(
      'receipt-verdict',
      seeds.receipts,
      (receipt) => verifyReceipt({ leaf: seeds.leaf, receipt, trust }).ok,
    ),
    verdict('file-verdict', [...seeds.receipts, ...seeds.splitViews, ...seeds.notes], (input) => {
      const kind = fileKind(input)
      if (kind === 'evidence' || kind === 'time-stamp') return false
      const verdict =
        kind === 'checkpoint'
          ? verifyCheckpoint(input, trust)
          : kind === 'split-view'
            ? verifySplitView(input, trust)
            : verifyReceipt({ leaf: seeds.leaf, receipt: input, trust })
      const words = [verdict.finding, ...verdict.checks.map(({ detail }) => detail)]
      promise(!/[\p{Cc}\p{Cf}]/u.test(words.join('')), 'a verdict quotes what steers a terminal')
      const facts = [verdict.origin, verdict.index, verdict.size, verdict.root]
      promise(verdict.ok || facts.every((fact) => fact === undefined), 'a claim stands as a fact')
      return verdict.ok
    }),
    canonical(
      'digitally-signed',
      seeds.digitallySigned,
      parseDigitallySigned,
      ({ algorithm, signature }) => {
        const written = digitallySigned(signature)
        if (algorithm === 'rsa') written[1] = 1
        return written
      },
    ),
    {
      name: 'log-list',
      seeds: seeds.logLists,
      run: (input) => attempt(() => parseLogList(input)) !== undefined,
    },
    {
      name: 'query',
      seeds: seeds.queries,
      run: (input) =>
        attempt(() => parseQuery(lossyText(input), ['wait', 'hash', 'tree_size'])) !== undefined,
    },
    {
      name: 'accept',
      seeds: seeds.accepts,
      run(input) {
        const offers = ['application/json', 'text/plain']
        const chosen = negotiate(lossyText(input), offers)
        promise(chosen === undefined || offers.includes(chosen), 'what was not offered is chosen')
        return chosen !== undefined
      },
    },
    {
      name: 'time-stamp',
      seeds: seeds.timeStamps,
      run: (input) => attempt(() => parseTimeStampResponse(input)) !== undefined,
    },
    {
      name: 'certificate',
      seeds: seeds.certificates,
      run: (input) => attempt(() => parseCertificate(input)) !== undefined,
    },
    proofTarget(
      'inclusion',
      seeds.inclusion,
      2,
      ([index = 0, size = 0], [leaf, root, ...proof]) => ({
        ours: () =>
          verifyInclusion(
            leafIndex(Math.min(index, Number.MAX_SAFE_INTEGER - 1)),
            treeSize(size),
            leaf as LeafHash,
            proof as NodeHash[],
            root as RootHash,
          ),
        literal: () =>
          literalInclusion({
            index: BigInt(index),
            size: BigInt(size),
            leaf: leaf!,
            proof,
            root: root!,
          }),
      }),
    ),
    proofTarget(
      'consistency',
      seeds.consistency,
      2,
      ([first = 0, second = 0], [older, newer, ...proof]) => ({
        ours: () =>
          verifyConsistency(
            treeSize(first),
            treeSize(second),
            proof as NodeHash[],
            older as RootHash,
            newer as RootHash,
          ),
        literal: () =>
          literalConsistency({
            first: BigInt(first),
            second: BigInt(second),
            proof,
            firstRoot: older!,
            secondRoot: newer!,
          }),
      }),
    ),
    proofTarget(
      'subtree',
      seeds.subtrees,
      3,
      ([start = 0, end = 0, size = 0], [hash, root, ...proof]) => ({
        ours: () =>
          verifySubtreeConsistency(
            { start: treeSize(start), end: treeSize(end) },
            hash as NodeHash,
            treeSize(size),
            proof as NodeHash[],
            root as RootHash,
          ),
        literal: () =>
          literalSubtree({
            start: BigInt(start),
            end: BigInt(end),
            size: BigInt(size),
            hash: hash!,
            proof,
            root: root!,
          }),
      }),
    ),
    ...recordTargets(seeds),
    ...completenessTargets(seeds),
  ]
}
