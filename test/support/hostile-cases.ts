/** Files in which every text that is quoted anywhere tries to be markup, a script, or a command to a terminal. */
import { utf8 } from '../../src/bytes.ts'
import { formatCheckpoint } from '../../src/formats/checkpoint.ts'
import { formatJsonReceipt } from '../../src/formats/json-receipt.ts'
import { formatNote } from '../../src/formats/note.ts'
import { cosigningKey, ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { formatSplitView, inSplitOrder } from '../../src/formats/split-view.ts'
import { formatTlogProof } from '../../src/formats/tlog-proof.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { type RootHash, rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { completeListOf } from './completeness-vectors.ts'
import { evidenceFile, recordLog } from './evidence.ts'
import { COSIGNED_AT, inclusionAt, LEAVES, rootAt } from './example-log.ts'
import { LEAST } from './records.ts'
import { identity, issuing, pemOf, stamp, timeStamping } from './time-stamps.ts'
import { POLICY, SIZE } from './vector-keys.ts'
import type { VerifierCase } from './verifier-cases.ts'

/** Would run, were it ever taken for markup; has no character that a name must not have. */
const SCRIPT = '<script>window.hacked=1</script>'
const IMAGE = `"'><img/src=x/onerror=window.hacked=1>`
const REORDERING = '\u202egnp.exe'

const LOG = ed25519SigningKey(`${SCRIPT}${IMAGE}`, new Uint8Array(32).fill(0x61))
const WITNESS = cosigningKey(
  `${IMAGE}&lt;b&gt;`,
  new Uint8Array(32).fill(0x62),
  'ed25519-cosignature',
)
const ORIGIN = LOG.vkey.name
const INDEX = 4

function head(size: number, root: RootHash = rootAt(size)) {
  const checkpoint = { origin: ORIGIN, size: treeSize(size), root, extensions: [] }
  const text = formatCheckpoint(checkpoint)
  const signatures = [LOG.sign(text), WITNESS.cosign(text, COSIGNED_AT)]
  return { note: formatNote({ text, signatures }), checkpoint }
}

export async function hostileCases(): Promise<readonly VerifierCase[]> {
  const policy = [
    `log ${formatVkey(LOG.vkey)}`,
    `witness ${SCRIPT} ${formatVkey(WITNESS.vkey)}`,
    `quorum ${SCRIPT}`,
    '',
  ].join('\n')
  const leaf = LEAVES[INDEX]!
  const { note } = head(SIZE)
  const receipt = { ...inclusionAt(INDEX, SIZE), origin: ORIGIN, checkpoint: note }
  const json = JSON.stringify(formatJsonReceipt(receipt))
  const [first, second] = inSplitOrder(head(SIZE), head(SIZE, rootHash(new Uint8Array(32))))
  const root = await identity({ name: SCRIPT, extensions: issuing() })
  const signer = await identity({ name: IMAGE, issuer: root, extensions: timeStamping() })
  const one = (
    name: string,
    file: string,
    bytes: Uint8Array,
    more: Pick<VerifierCase, 'kind'> & Partial<VerifierCase>,
  ): VerifierCase => ({
    name: `markup in ${name}`,
    file,
    bytes,
    vkeys: [],
    policy,
    ok: more.failed === undefined,
    failed: [],
    ...more,
  })
  const refused = (kind: VerifierCase['kind'], failed: string) => ({ kind, failed: [failed] })
  return [
    one('the origin of a tlog-proof', 'a.tlog-proof', utf8(formatTlogProof(receipt)), {
      leaf,
      kind: 'tlog-proof',
    }),
    one('the origin of a JSON receipt', 'a.json', utf8(json), { leaf, kind: 'json' }),
    one('the origin of a checkpoint', 'a.checkpoint', utf8(note), { kind: 'checkpoint' }),
    one(
      'the origin of a split view',
      'a.split-view',
      utf8(formatSplitView({ first: first.note, second: second.note })),
      { kind: 'split-view' },
    ),
    one(
      'the term of a complete list',
      'a.list',
      utf8(completeListOf({ tenant: 'acme', field: 'request', value: `${SCRIPT} ${IMAGE}` })),
      { kind: 'complete-list', policy: POLICY.replace(/^quorum.*$/m, 'quorum none') },
    ),
    one('the names of an authority', 'a.tsr', await stamp({ signer, data: utf8(note) }), {
      data: utf8(note),
      authorities: utf8(pemOf(root.parsed.der)),
      kind: 'time-stamp',
    }),
    one(
      'the reason of an authority that refuses',
      'a.tsr',
      await stamp({
        signer,
        data: utf8(note),
        status: 2,
        statusText: `${SCRIPT}${REORDERING}\u001b[2J`,
        withoutToken: true,
      }),
      {
        data: utf8(note),
        authorities: utf8(pemOf(root.parsed.der)),
        ...refused('time-stamp', 'time-stamp'),
      },
    ),
    one('an origin that nobody trusts', 'a.checkpoint', utf8(note), {
      ...refused('checkpoint', 'log signature'),
      policy: POLICY,
    }),
    one(
      'a member too many',
      'a.json',
      utf8(json.replace('{', `{${JSON.stringify(`${SCRIPT}${REORDERING}\u001b[2J`)}:1,`)),
      { leaf, ...refused('json', 'format') },
    ),
    one('another version', 'a.json', utf8(json.replace('cairn-receipt/v1', SCRIPT)), {
      leaf,
      ...refused('json', 'format'),
    }),
    one('another origin', 'a.json', utf8(json.replace('window', 'other')), {
      leaf,
      ...refused('json', 'signed facts'),
    }),
    one('an index', 'a.tlog-proof', utf8(`c2sp.org/tlog-proof@v1\nindex ${IMAGE}\n\n${note}`), {
      leaf,
      ...refused('tlog-proof', 'format'),
    }),
    one('a first line', 'a.tlog-proof', utf8(`c2sp.org/tlog-proof@${SCRIPT}\n`), {
      leaf,
      ...refused('tlog-proof', 'format'),
    }),
    one('text', 'a.txt', utf8(`see: ${SCRIPT}\u001b]0;hacked\u0007`), refused('unknown', 'format')),
    ...evidence(),
  ]
}

/** Evidence whose records are full of it, shown and not shown, believed and not. */
function evidence(): VerifierCase[] {
  const records = recordLog([
    {
      ...LEAST,
      request_id: SCRIPT,
      session_id: IMAGE,
      action: `${SCRIPT}${IMAGE}`,
      resource: IMAGE,
      model: { name: SCRIPT, version: IMAGE },
      input: { prompt: `${SCRIPT}${REORDERING}\u001b[2J` },
      output: { text: IMAGE },
      extra: { [SCRIPT]: IMAGE },
    },
    {
      type: 'correction',
      corrects: '019a9bd4-5c00-7abc-8def-000000000000',
      extra: { [IMAGE]: SCRIPT },
    },
  ])
  const manifest = {
    query: { request_id: SCRIPT },
    asked_by: SCRIPT,
    purpose: `${IMAGE}${SCRIPT}`,
  }
  const bytes = evidenceFile(records, [0, 1], { manifest })
  const names = new TextDecoder('latin1').decode(bytes)
  const at = names.indexOf(SCRIPT)
  const broken = bytes.slice()
  broken[at] = 0x5b
  const shared = { file: 'a.cairn', vkeys: [], policy: POLICY, kind: 'evidence' } as const
  return [
    { name: 'markup in every text of evidence', ...shared, bytes, ok: true, failed: [] },
    {
      name: 'markup in evidence that was changed',
      ...shared,
      bytes: broken,
      ok: false,
      failed: ['contents', 'records'],
    },
    {
      name: 'markup in evidence of a log that nobody trusts',
      ...shared,
      bytes,
      vkeys: [formatVkey(LOG.vkey)],
      policy: `witness w ${formatVkey(WITNESS.vkey)}\nquorum none\n`,
      ok: false,
      failed: ['log signature'],
    },
  ]
}
