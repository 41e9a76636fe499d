// Fills a log over HTTP and has it read by the Go program beside this file: node test/interop/run.mjs [leaves]
// Needs a built checkout and Go. Exits with 1 when anything differs.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { goBuild, HERE, startCairn, withPrograms } from './programs.mjs'

const VECTORS = fileURLToPath(new URL('../../spec/vectors', import.meta.url))
/** Just past the point where the tree gets a third level of tiles. */
const LEAVES = Number(process.argv[2] ?? 66_000)
const BATCH = 5_000
/** Leaves that Tessera's load tool adds. */
const HAMMERED = 2_000

await withPrograms(async (programs) => {
  const program = goBuild(HERE, '.', join(programs.place, 'interop'))
  const data = join(programs.place, 'log')
  const server = await startCairn(programs, ['serve', '--data', data, '--port', '0', '--open'])
  await fill(server.url)
  check(program, ['-url', server.url, '-vkey', server.vkey_file])
  hammer(programs.place, server.url, server.vkey_file)
  await server.stop()
  if (existsSync(VECTORS)) check(program, ['-vectors', VECTORS])
})

/** Tessera's load tool writes, reads back and verifies: what existing logs are driven with drives this one. */
function hammer(place, url, vkeyFile) {
  const module = 'github.com/transparency-dev/tessera'
  const list = ['list', '-m', '-f', '{{.Version}}', module]
  const version = spawnSync('go', list, { cwd: HERE, encoding: 'utf8' }).stdout.trim()
  const install = ['install', `${module}/internal/hammer@${version}`]
  const { status: built } = spawnSync('go', install, {
    env: { ...process.env, GOBIN: place },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (built !== 0) throw new Error("Tessera's load tool cannot be built")
  const [vkey] = readFileSync(vkeyFile, 'utf8').split('\n')
  const flags = [
    `--log_public_key=${vkey}`,
    `--log_url=${url}/`,
    `--write_log_url=${url}/`,
    `--leaf_write_goal=${LEAVES + HAMMERED}`,
    '--show_ui=false',
    '--num_writers=64',
    '--max_write_ops=4000',
    '--max_read_ops=4000',
    '--max_runtime=60s',
  ]
  const { status, stderr } = spawnSync(join(place, 'hammer'), flags, { encoding: 'utf8' })
  const complaints = stderr.split('\n').filter((line) => /^[EF]\d{4} /.test(line))
  if (status !== 0 || complaints.length > 0) {
    console.log(stderr)
    process.exitCode = 1
  }
  console.log(
    `Tessera's load tool added and verified ${HAMMERED} leaves: ${complaints.length} complaints`,
  )
}

/** One leaf by each way of sending one, then batches. */
async function fill(url) {
  const started = performance.now()
  await post(`${url}/add`, 'text/plain', 'the first leaf')
  await post(`${url}/v1/leaves`, 'application/octet-stream', 'the second leaf')
  for (let next = 2; next < LEAVES; next += BATCH) {
    const count = Math.min(BATCH, LEAVES - next)
    const leaves = Array.from({ length: count }, (_, i) => byteString(`leaf ${next + i}`))
    await post(`${url}/v1/leaves`, 'application/cbor-seq', Buffer.concat(leaves))
  }
  await published(url)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${LEAVES} leaves appended in ${seconds} s`)
}

async function post(url, type, body) {
  const headers = { 'Content-Type': type, Prefer: 'return=minimal' }
  const answer = await fetch(url, { method: 'POST', headers, body })
  if (!answer.ok) throw new Error(`POST ${url}: ${answer.status} ${await answer.text()}`)
  await answer.arrayBuffer()
}

/** A CBOR byte string of up to 255 bytes. */
function byteString(text) {
  const bytes = Buffer.from(text)
  const head = bytes.length < 24 ? [0x40 + bytes.length] : [0x58, bytes.length]
  return Buffer.concat([Buffer.from(head), bytes])
}

async function published(url) {
  for (;;) {
    const checkpoint = await (await fetch(`${url}/checkpoint`)).text()
    if (checkpoint.split('\n')[1] === String(LEAVES)) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function check(program, flags) {
  const { status } = spawnSync(program, flags, { stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}
