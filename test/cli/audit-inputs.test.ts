/** What `cairn audit` is given beside a log, and what it leaves when it is stopped. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { count } from '../../src/cli/style.ts'
import { parseSubmission } from '../../src/formats/record.ts'
import { signSubmission } from '../../src/formats/record-signature.ts'
import { ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { answer, flakyServer, problem } from '../client/flaky-server.ts'
import { naiveTreeOf } from '../merkle/naive.ts'
import { CLI } from '../support/cairn-process.ts'
import { evidenceFile, headOfLog, recordId, recordLog } from '../support/evidence.ts'
import { LOG_KEY } from '../support/example-log.ts'
import { LEAST, NONCE, RECORD_TIME } from '../support/records.ts'
import { staticFiles, writeStaticLog } from '../support/static-log.ts'
import { expectRefusal, temporaryFolder } from './fixture.ts'
import { cairn } from './run.ts'

const VKEY = formatVkey(LOG_KEY.vkey)
const SEED = new Uint8Array(32).fill(5)
const SUBMITTER = formatVkey(ed25519SigningKey('key-1', SEED).vkey)
const first = parseSubmission({ ...LEAST })
const log = recordLog([
  first,
  signSubmission({ ...LEAST, nonce: NONCE }, { keyId: 'key-1', seed: SEED }),
  parseSubmission({ ...LEAST, request_id: 'req-2' }),
])

let place: Awaited<ReturnType<typeof temporaryFolder>>
let folder: string
beforeAll(async () => {
  place = await temporaryFolder()
  folder = place.at('log')
  await writeStaticLog(folder, log)
  await writeFile(place.at('case.cairn'), evidenceFile(log, [0, 1]))
  await writeFile(place.at('early'), headOfLog(log, 2))
})
afterAll(() => place.close())

const audit = (...flags: readonly string[]) => cairn(['audit', folder, '--vkey', VKEY, ...flags])

async function answerFile(name: string, indices: readonly number[], more: object = {}) {
  const found = (index: number) => ({
    index,
    id: recordId(index),
    time: new Date(RECORD_TIME + 1000 * index).toISOString(),
    tenant: 'acme',
    type: 'llm_request',
  })
  const file = place.at(name)
  await writeFile(file, JSON.stringify({ records: indices.map(found), size: 3, ...more }))
  return file
}

describe('cairn audit, given more', () => {
  it('checks signatures, payloads and other heads', async () => {
    const given = ['--evidence', place.at('case.cairn'), '--checkpoint', place.at('early')]
    const run = await audit(...given, '--submitter-key', SUBMITTER, '--json')
    expect(run).toMatchObject({ code: 0, stderr: '' })
    const { ok, kind, records, checks, finding } = JSON.parse(run.stdout)
    expect({ ok, kind, records }).toEqual({ ok: true, kind: 'audit', records: 3 })
    expect(finding).toContain('the 3 entries of log.example/audit are all there')
    const held = checks.filter(({ status }: { status: string }) => status === 'held')
    expect(held.map(({ name }: { name: string }) => name)).toEqual([
      'log signature',
      'entries',
      'tiles',
      'root hash',
      'checkpoints',
      'records',
      'record time',
      'submitter signatures',
      'disclosures',
    ])
  })

  it('finds the gap in the answer to a search', async () => {
    const good = await answerFile('good.json', [1, 0])
    const asked = ['--asked', 'tenant=acme&request_id=req-1&limit=50']
    expect(await audit('--search-answer', good, ...asked)).toMatchObject({ code: 0 })
    const gap = await answerFile('gap.json', [0], { asked: { query: { request_id: 'req-1' } } })
    const run = await audit('--search-answer', gap)
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('✗  search answer')
    expect(run.stdout).toContain('entry 1 is a record that was asked for, and the answer leaves it')
  })

  it('keeps the proof beside the checkpoint that is contradicted', async () => {
    const other = recordLog([parseSubmission({ ...LEAST, request_id: 'req-3' }), first])
    await writeFile(place.at('other'), headOfLog(other))
    const run = await audit('--checkpoint', place.at('other'))
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('fork: the first 2 leaves')
    const proof = await cairn(['verify', place.at('other.split-view'), '--vkey', VKEY])
    expect(proof.code).toBe(0)
  })

  it.each([
    ['a checkpoint that is not there', ['--checkpoint', '/nowhere'], /\/nowhere/],
    ['evidence that is none', ['--evidence', 'EARLY'], /early: .*evidence/],
    ['a key that is none', ['--submitter-key', 'key'], /--submitter-key key: neither a vkey/],
    ['an answer that is none', ['--search-answer', 'EARLY'], /early: it is no answer/],
    [
      'an answer to nobody knows what',
      ['--search-answer', 'ANSWER'],
      /does not say what was asked/,
    ],
    ['a question without an answer', ['--asked', 'type=access'], /--asked goes with/],
    [
      'a question that no search has',
      ['--search-answer', 'ANSWER', '--asked', 'colour=red'],
      /colour/,
    ],
    [
      'records to leave alone and to check',
      ['--no-records', '--evidence', 'EARLY'],
      /--no-records/,
    ],
    ['nothing at a time', ['--parallel', '0'], /--parallel takes a number from 1/],
    ['too much at a time', ['--parallel', '65'], /--parallel takes a number from 0 to 64/],
    ['no time', ['--timeout', '0'], /--timeout takes a number from 1/],
    ['a timeout for a folder', ['--timeout', '5'], /--timeout goes with the address/],
    [
      'progress that is none',
      ['--state', 'DAMAGED'],
      /damaged\.progress: .*remove it to begin anew/,
    ],
  ])('refuses %s', async (_, flags, message) => {
    const files = {
      EARLY: place.at('early'),
      ANSWER: await answerFile('bare.json', [0]),
      DAMAGED: place.at('damaged'),
    }
    await writeFile(place.at('damaged.progress'), '{"version":')
    const named = flags.map((flag) => files[flag as keyof typeof files] ?? flag)
    expectRefusal(await audit(...named), message)
  })
})

describe('cairn audit of a log that writes to the terminal', () => {
  it('prints what it says as text', async () => {
    let calls = 0
    const server = await flakyServer((...call) =>
      problem(calls++ === 0 ? 503 : 400, 'MALFORMED', 'x\u001b[2J\u0007\u202e')(...call),
    )
    const run = await cairn(['audit', server.url, '--vkey', VKEY])
    await server.close()
    expect(run.code).toBe(2)
    expect(run.stderr).toBe('cairn: x\\u{1b}[2J\\u{7}\\u{202e}\n')
  })
})

describe('cairn audit that is stopped', () => {
  const leaves = Array.from({ length: 1_500 }, (_, i) => utf8(`entry ${i}`))
  const files = staticFiles({ leaves, tree: naiveTreeOf(leaves) })

  /** A log whose bundles take a while, and of which one never comes, until it has recovered. */
  async function slowLog(missing: number) {
    let isSlow = true
    let reached = () => {}
    const stuck = new Promise<void>((resolve) => {
      reached = resolve
    })
    const server = await flakyServer((response, request, call) => {
      const path = request.path.slice(1)
      const file = files.get(path)
      const send = () => answer(file === undefined ? 404 : 200, file ?? '')(response, request, call)
      if (!isSlow || !path.startsWith('tile/entries/')) return send()
      if (path.startsWith(`tile/entries/00${missing}`)) reached()
      else setTimeout(send, 600)
    })
    return {
      server,
      stuck,
      recover: () => {
        isSlow = false
      },
    }
  }

  it.each([
    ['interrupted', 'SIGINT', 2],
    ['killed', 'SIGKILL', 4],
  ] as const)('goes on where it was %s', async (_, kind, missing) => {
    const { server, stuck, recover } = await slowLog(missing)
    const state = place.at(`state-${kind}`)
    const flags = ['--vkey', VKEY, '--state', state, '--parallel', '1', '--no-records']
    const args = ['audit', server.url, ...flags]
    const child = spawn(process.execPath, [CLI, ...args])
    let stderr = ''
    child.stderr.on('data', (part) => (stderr += part))
    const ended = new Promise((resolve) => child.once('close', resolve))
    await stuck
    if (kind === 'SIGKILL') {
      await expect.poll(() => existsSync(`${state}.progress`), { timeout: 10_000 }).toBe(true)
    }
    child.kill(kind)
    expect(await ended).toBe(kind === 'SIGINT' ? 2 : null)
    const { size } = JSON.parse(await readFile(`${state}.progress`, 'utf8'))
    expect(size).toBeGreaterThanOrEqual(256)
    const told = `stopped after ${count(size)} entries: the same command goes on from there`
    if (kind === 'SIGINT') expect(stderr).toContain(told)

    recover()
    const before = server.seen.length
    const run = await cairn(args)
    await server.close()
    const stderrOf = `going on from entry ${count(size)}, where an audit was stopped\n`
    expect(run).toMatchObject({ code: 0, stderr: stderrOf })
    expect(run.stdout).toContain('all 1,500 entries')
    const asked = server.seen.slice(before).map(({ path }) => path)
    expect(asked.filter((path) => path.startsWith('/tile/entries/'))).toEqual(
      [...files.keys()]
        .filter((path) => path.startsWith('tile/entries/'))
        .slice(size / 256)
        .map((path) => `/${path}`),
    )
    expect(existsSync(`${state}.progress`)).toBe(false)
    expect(existsSync(state)).toBe(true)
  })
})
