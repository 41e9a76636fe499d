/**
 * How fast is `cairn audit`, and how much memory does it take? Logs are written as static files; the command is a
 * process of its own. Alone: `npx tsx bench/audit.ts [--smoke]`, after a build.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import { utf8 } from '../src/bytes.ts'
import { encodeBundle } from '../src/formats/bundle.ts'
import { formatCheckpoint } from '../src/formats/checkpoint.ts'
import { formatNote } from '../src/formats/note.ts'
import { ed25519SigningKey } from '../src/formats/signing-key.ts'
import { bundlePath, TILE_WIDTH, tilePath } from '../src/formats/tile.ts'
import { formatVkey } from '../src/formats/vkey.ts'
import { Frontier } from '../src/merkle/frontier.ts'
import { hashLeaf, type NodeHash } from '../src/merkle/hash.ts'
import { foldHashes } from '../src/tiles/proofs.ts'
import { prepared, RECORD_TIME } from '../test/support/records.ts'
import { discard, newData } from './server.ts'
import { count, head, row } from './table.ts'

const KEY = ed25519SigningKey('bench.example/log', new Uint8Array(32).fill(7))
const CLI = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
/**
 * Says at the end how much memory the process had at the most, in KiB, as the kernel has it of this program alone: that of
 * getrusage() begins with what the process had that started it.
 */
const REPORT = `import{readFileSync}from'node:fs';process.once('exit',()=>process.stderr.write('maxrss '+/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status','utf8'))[1]+' cpu '+process.cpuUsage().user))`

/** `scale` 1 is a full measurement: ten million leaves. */
export async function auditing(scale: number): Promise<void> {
  for (const size of [1_000_000, 10_000_000]) {
    const leaves = Math.round(size * scale)
    await measure(
      `cairn audit, a folder of ${count(leaves)} leaves of 100 bytes`,
      leaves,
      opaque,
      '200,000',
    )
  }
  const records = Math.round(500_000 * scale)
  await measure(`cairn audit, a folder of ${count(records)} audit records`, records, recordLeaves())
  await measure('  without looking into records', records, recordLeaves(), '', ['--no-records'])
}

type Leaves = (index: number) => Uint8Array

async function measure(
  what: string,
  size: number,
  leaves: Leaves,
  aim = '',
  flags: readonly string[] = [],
): Promise<void> {
  const folder = await newData()
  writeLog(folder, size, leaves)
  const started = performance.now()
  const { maxRss, cpu } = await audit(folder, flags)
  const seconds = (performance.now() - started) / 1000
  row(what, `${count(size / seconds)} leaves/s`, aim)
  row(
    '  memory at the most / CPU time',
    `${count(maxRss / 1024)} MiB / ${count((cpu * 1000) / size)} ns a leaf`,
  )
  await discard(folder)
}

async function audit(
  folder: string,
  flags: readonly string[],
): Promise<{ maxRss: number; cpu: number }> {
  const vkey = formatVkey(KEY.vkey)
  const report = `--import=data:text/javascript,${encodeURIComponent(REPORT)}`
  const child = spawn(process.execPath, [
    report,
    CLI,
    'audit',
    folder,
    '--vkey',
    vkey,
    '--json',
    ...flags,
  ])
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (part) => (stdout += part))
  child.stderr.on('data', (part) => (stderr += part))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`the audit failed: ${stdout}${stderr}`)
  const [, maxRss, cpu] = /maxrss (\d+) cpu (\d+)/.exec(stderr)!
  return { maxRss: Number(maxRss), cpu: Number(cpu) }
}

const opaque: Leaves = (index) => {
  const leaf = new Uint8Array(100)
  new DataView(leaf.buffer).setFloat64(0, index)
  return leaf
}

/** Records of a request of four, each a millisecond after the one before. */
function recordLeaves(): Leaves {
  const [id, time, request] = [
    '019a9bd4-5c00-7abc-8def-0123456789ab',
    new Date(RECORD_TIME).toISOString(),
    'req-1',
  ]
  const { leaf } = prepared({
    type: 'llm_request',
    request_id: request,
    subject: 'ann',
    model: { name: 'm' },
    input: { prompt: 'p' },
  })
  const text = new TextDecoder().decode(leaf)
  return (index) => {
    const at = RECORD_TIME + index
    const stamp = at.toString(16).padStart(12, '0')
    return utf8(
      text
        .replace(
          id,
          `${stamp.slice(0, 8)}-${stamp.slice(8)}-7000-8000-${index.toString(16).padStart(12, '0')}`,
        )
        .replace(time, new Date(at).toISOString())
        .replace(`"${request}"`, `"req-${Math.floor(index / 4)}"`),
    )
  }
}

/** A log as static files, of whatever size: it is written level by level. */
function writeLog(folder: string, size: number, leafAt: Leaves): void {
  const put = (path: string, bytes: Uint8Array): void => {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, bytes)
  }
  const frontier = new Frontier()
  let below: NodeHash[] = []
  for (let first = 0; first < size; first += TILE_WIDTH) {
    const leaves = Array.from({ length: Math.min(TILE_WIDTH, size - first) }, (_, i) =>
      leafAt(first + i),
    )
    const hashes = leaves.map(hashLeaf)
    for (const hash of hashes) frontier.append(hash)
    const tile = Buffer.concat(hashes)
    put(bundlePath(first / TILE_WIDTH, leaves.length), encodeBundle(leaves))
    put(tilePath(0, first / TILE_WIDTH, leaves.length), tile)
    if (leaves.length === TILE_WIDTH) below.push(foldHashes(tile, 0, TILE_WIDTH))
  }
  for (let level = 1; below.length > 0; level++) {
    const above: NodeHash[] = []
    for (let first = 0; first < below.length; first += TILE_WIDTH) {
      const some = below.slice(first, first + TILE_WIDTH)
      const tile = Buffer.concat(some)
      put(tilePath(level, first / TILE_WIDTH, some.length), tile)
      if (some.length === TILE_WIDTH) above.push(foldHashes(tile, 0, TILE_WIDTH))
    }
    below = above
  }
  const text = formatCheckpoint({
    origin: KEY.vkey.name,
    size: frontier.size,
    root: frontier.root(),
    extensions: [],
  })
  put('checkpoint', utf8(formatNote({ text, signatures: [KEY.sign(text)] })))
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  head()
  await auditing(argv.includes('--smoke') ? 0.01 : 1)
}
