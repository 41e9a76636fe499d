import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRecordsClient } from '../../src/client/records-client.ts'
import type { Role } from '../../src/compliance/principal.ts'
import type { JsonObject, JsonValue } from '../../src/formats/json-strict.ts'
import { loadConfig } from '../../src/server/config.ts'
import { type RunningServer, serve } from '../../src/server/serve.ts'
import { expectRefusal } from './fixture.ts'
import { cairn } from './run.ts'

let folder: string
let server: RunningServer
/** Flags that reach the log as somebody with one role. */
let as: Readonly<
  Record<'admin' | 'submitter' | 'auditor' | 'approver' | 'nobody', readonly string[]>
>
const at = (...parts: string[]): string => join(folder, ...parts)

const ASKED: JsonObject = {
  type: 'llm_request',
  request_id: 'req-1',
  subject: 'ann@example.com',
  model: { name: 'm', version: '1' },
  input: { prompt: 'May I have a loan?' },
  output: { text: 'No.' },
  metrics: { cost: 0.25, currency: 'EUR' },
}
const DECIDED: JsonObject = { type: 'decision', request_id: 'req-1', action: 'refuse' }

/** Flags that reach a log as somebody new; `more` are flags of their token. */
async function newcomer(
  role: Role,
  { url }: RunningServer = server,
  data = at('data'),
  more: readonly string[] = [],
): Promise<readonly string[]> {
  const add = ['token', 'add', role, '--roles', role, '--data', data, '--json', ...more]
  const { token } = JSON.parse((await cairn(add)).stdout) as { token: string }
  const records = createRecordsClient({ url, token, retries: 0 })
  // The server looks for new tokens now and then.
  for (;;) {
    const answer = await records.grants().then(
      () => 'known',
      ({ code }: { code: string }) => code,
    )
    if (answer !== 'UNAUTHORIZED') return ['--url', url, '--token', token]
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function json<T>(args: readonly string[]): Promise<T> {
  const run = await cairn([...args, '--json'])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  return JSON.parse(run.stdout) as T
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-records-'))
  const flags = { data: at('data'), port: 0, origin: 'cli.example/log', 'publish-interval': 20 }
  server = await serve(await loadConfig({ flags, env: {} }))
  const reach = ['--url', server.url]
  as = {
    admin: [...reach, '--token-file', at('data', 'admin.token')],
    submitter: await newcomer('submitter'),
    auditor: await newcomer('auditor'),
    approver: await newcomer('approver'),
    nobody: reach,
  }
  const lines = [ASKED, DECIDED, { ...ASKED, request_id: 'req-2', subject: 'bob@example.com' }]
  await writeFile(at('records.ndjson'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

describe('cairn append --records', () => {
  it('adds records, and keeps each with its receipt', async () => {
    const args = ['append', at('records.ndjson'), '--records', '--receipts', at('receipts')]
    const run = await cairn([...args, ...as.submitter])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/^✓ 3 records in cli\.example\/log, indices 0 to 2 /)
    const files = ['0', '1', '2'].flatMap((index) => [`${index}.leaf`, `${index}.tlog-proof`])
    expect((await readdir(at('receipts'))).sort()).toEqual(files)
    const leaf = await readFile(at('receipts', '0.leaf'), 'utf8')
    expect(JSON.parse(leaf)).toMatchObject({ version: 'cairn-record/v1', request_id: 'req-1' })
    expect(leaf).not.toContain('ann@example.com')
    const verified = await cairn(['verify', at('receipts'), '--vkey', at('data', 'log.vkey')])
    expect(verified.stdout).toBe('verified: 3 receipts under 1 head\n')
  })

  it('adds nothing twice when a run is repeated', async () => {
    const key = ['--idempotency-key', 'run-1', '--json']
    const add = ['append', at('records.ndjson'), '--records', ...as.submitter, ...key]
    const [first, again] = [await cairn(add), await cairn(add)]
    expect(first.stdout).toBe(again.stdout)
    expect(JSON.parse(again.stdout)).toMatchObject({
      records: 3,
      first_index: 3,
      last_index: 5,
      indices: [3, 4, 5],
      ids: [expect.any(String), expect.any(String), expect.any(String)],
    })
    const other = await cairn([...add.slice(0, 1), '-', ...add.slice(2)], {
      input: '{"type":"decision"}',
    })
    expectRefusal(other, /idempotency key was used for /)
  })

  it('goes on where a run has ended, once the bad line is mended', async () => {
    // Each is a batch of its own.
    const record = { type: 'llm_request', input: { prompt: 'x'.repeat(5_000_000) } }
    const lines = (action: JsonValue): string =>
      [record, { ...record, action }].map((line) => `${JSON.stringify(line)}\n`).join('')
    await writeFile(at('large.ndjson'), lines(7))
    const add = ['append', at('large.ndjson'), '--records', '--receipts', at('large')]
    const ended = await cairn([...add, ...as.submitter])
    expectRefusal(ended, /line 2 of .*: \/action: expected a line .*1 record was added before that/)
    const [, key = ''] = /--idempotency-key (\S+) to add the rest/.exec(ended.stderr) ?? []
    const [first] = await readdir(at('large'))
    await writeFile(at('large.ndjson'), lines('answer'))
    const { records, indices } = await json<{ records: number; indices: number[] }>([
      ...add,
      ...['--idempotency-key', key],
      ...as.submitter,
    ])
    expect([records, `${indices[0]}.leaf`]).toEqual([2, first])
    expect(await readdir(at('large'))).toHaveLength(4)
  })

  it.each([
    ['a record of several lines', '{\n"type": "decision"\n}'],
    ['a list', '[{"type": "decision"}]'],
  ])('takes %s from standard input', async (_, input) => {
    const run = await cairn(['append', '-', '--records', ...as.submitter], { input })
    expect(run.stdout).toMatch(/^✓ 1 record in /)
  })

  it('names the bad line, and adds nothing of it', async () => {
    const bad = '{"type":"decision"}\n\n{"type":"decision","metrics":{"cost":-1}}\n'
    const run = await cairn(['append', '-', '--records', ...as.submitter], { input: bad })
    expectRefusal(run, /line 3 of standard input: \/metrics\/cost: expected a number from 0/)
  })

  it.each([
    ['no record', [], '', /standard input has no record in it/],
    ['what is no JSON', [], 'hello', /neither JSON lines nor a JSON document/],
    ['a wrong type', [], '{"type":"chat"}', /line 1 of standard input: \/type: expected one of/],
    ['witnesses without a folder', ['--witnessed'], '{}', /goes with --receipts/],
    ['a key with a space', ['--idempotency-key', 'a b'], '{}', /--idempotency-key takes/],
  ])('refuses %s', async (_, flags, input, message) => {
    const run = await cairn(['append', '-', '--records', ...flags, ...as.submitter], { input })
    expectRefusal(run, message)
  })

  it('says who may add records', async () => {
    const run = await cairn(['append', at('records.ndjson'), '--records', ...as.auditor])
    expectRefusal(run, /takes the role submitter or administrator, which auditor has not/)
  })
})

interface Found {
  readonly index: number
  readonly type: string
}

describe('cairn search', () => {
  it('shows what it finds as a table', async () => {
    const run = await cairn(['search', '--request', 'req-1', '--limit', '2', ...as.auditor])
    expect(run.code).toBe(0)
    const [head, newest, older, ...rest] = run.stdout.split('\n')
    expect(head).toMatch(/^INDEX {2}TIME \(UTC\) +WHAT +REQUEST/)
    expect(newest).toMatch(/^ {4}4 {2}\d{4}-.* {2}Decision: refuse {2}req-1$/)
    expect(older).toMatch(/^ {4}3 {2}.* {2}LLM request +req-1 +p_[A-Za-z0-9_-]{6}… +m 1/)
    expect(rest).toEqual([''])
    expect(run.stderr).toMatch(/^2 records of \d+ entries; more with --limit 20 or --all\n$/)
  })

  it('finds people by their names, and gives all of it as JSON', async () => {
    const args = ['search', '--subject', 'ann@example.com', '--order', 'oldest', ...as.auditor]
    const { records, size } = await json<{ records: Found[]; size: number }>([...args, '--all'])
    expect(records.map(({ index, type }) => [index, type])).toEqual([
      [0, 'llm_request'],
      [3, 'llm_request'],
    ])
    expect(size).toBeGreaterThan(5)
    const first = await json<{ cursor: string }>([...args, '--limit', '1'])
    const second = await json<{ records: Found[] }>([...args, '--cursor', first.cursor])
    expect(second.records.map(({ index }) => index)).toEqual([3])
  })

  it('says when nothing is found', async () => {
    const run = await cairn(['search', '--subject', 'nobody@example.com', ...as.auditor])
    expect(run).toMatchObject({ code: 0, stdout: '' })
    expect(run.stderr).toMatch(/^no record of yours among the \d+ entries/)
  })

  it('shows one record, and gives its bytes', async () => {
    const trust = ['--vkey', at('data', 'log.vkey'), '--out', at('0.json')]
    const run = await cairn(['search', '--show', '0', ...trust, ...as.auditor])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/^LLM request {2}entry 0\n/)
    expect(run.stdout).toMatch(/prompt +▒+ sealed\n/)
    expect(run.stdout).toMatch(/✓ {2}inclusion .*\n.*\n?verified\n$/)
    expect(await readFile(at('0.json'))).toEqual(await readFile(at('receipts', '0.leaf')))
  })

  it.each([
    ['a type that there is not', ['--type', 'chat'], /--type takes one of/],
    ['a time that is none', ['--from', 'today'], /'today' is no time/],
    ['an order that there is not', ['--order', 'random'], /random/],
    ['no records at all', ['--limit', '0'], /--limit takes a number from 1/],
    ['a limit beside --all', ['--all', '--limit', '5'], /--limit/],
    ['a cursor of something else', ['--cursor', 'AAAA'], /cursor/],
    ['a grant for many', ['--grant', 'x'], /--grant goes with --show/],
    ['trust for many', ['--vkey', 'x'], /--vkey goes with --show/],
    ['a record and a search', ['--show', '0', '--type', 'decision'], /nothing to look for beside/],
    ['an index that is none', ['--show', 'x'], /--show takes a number/],
    ['an entry that there is not', ['--show', '99999'], /./],
    ['a grant that is none', ['--show', '0', '--grant', 'x'], /grant/],
  ])('refuses %s', async (_, args, message) => {
    expectRefusal(await cairn(['search', ...args, ...as.auditor]), message)
  })

  it('says who may search', async () => {
    expectRefusal(await cairn(['search', ...as.submitter]), /takes the role reader or auditor/)
    expectRefusal(await cairn(['search', ...as.nobody]), /Authorization/)
  })
})

describe('cairn grant', () => {
  const wanted = ['--purpose', 'complaint', '--ticket', 'CASE-1']
  let id: string

  it('asks for a grant that somebody else approves, and payloads are read under it', async () => {
    const asked = await cairn(['grant', 'request', '--request', 'req-1', ...wanted, ...as.auditor])
    id = /cairn grant approve (\S+)\n/.exec(asked.stdout)?.[1] ?? ''
    const early = await cairn(['search', '--show', '0', '--grant', id, ...as.auditor])
    expectRefusal(early, /not approved yet/)
    expectRefusal(await cairn(['grant', 'approve', id, ...as.auditor]), /takes the role approver/)
    const approved = await cairn(['grant', 'approve', id, ...as.approver])
    expect(approved.stdout).toMatch(
      /^✓ approved, (59|60) min left\n {2}for auditor, to read request req-1\n$/,
    )
    const shown = await cairn(['search', '--show', '0', '--grant', id, ...as.auditor])
    expect(shown.stdout).toMatch(/subject +ann@example\.com {2}\(p_.{22}\)\n/)
    expect(shown.stdout).toMatch(/prompt +May I have a loan\?\n/)
    expect(shown.stderr).toMatch(/^not verified: name the key of the log with --vkey\n$/)
    const one = ['search', '--show', '0', '--grant', id, ...as.auditor]
    const { payload } = await json<{ payload: { submission: JsonObject } }>(one)
    expect(payload.submission).toEqual(ASKED)
  })

  it('covers what it was asked for, and nothing else', async () => {
    const run = await cairn(['search', '--show', '2', '--grant', id, ...as.auditor])
    expectRefusal(run, /grant/)
  })

  it('is listed, shown, and given back', async () => {
    const list = await cairn(['grant', 'list', '--open', ...as.auditor])
    expect(list.stdout).toMatch(
      new RegExp(
        `^approved, (59|60) min left  ${id}\n  request req-1\n  complaint \\(CASE-1\\), asked by auditor`,
      ),
    )
    expect(list.stderr).toBe('1 grant\n')
    const show = await cairn(['grant', 'show', id, ...as.auditor])
    expect(show.stdout).toMatch(/\nticket +CASE-1\n/)
    const revoked = await json<JsonObject>(['grant', 'revoke', id, ...as.auditor])
    expect(revoked).toMatchObject({ id, state: 'revoked', requested_by: 'auditor' })
    const run = await cairn(['search', '--show', '0', '--grant', id, ...as.auditor])
    expectRefusal(run, /revoked|over/)
    const open = await cairn(['grant', 'list', '--open', ...as.auditor])
    expect(open).toMatchObject({ code: 0, stdout: '', stderr: 'no grant is open\n' })
  })

  it('can be refused', async () => {
    const ask = ['grant', 'request', '--subject', 'ann@example.com', '--minutes', '5', ...wanted]
    const asked = await json<{ id: string; minutes: number }>([...ask, ...as.auditor])
    expect(asked.minutes).toBe(5)
    const run = await cairn(['grant', 'refuse', asked.id, ...as.approver])
    expect(run.stdout).toBe('✓ refused\n')
    expectRefusal(await cairn(['grant', 'approve', asked.id, ...as.approver]), /refused/)
  })

  it.each([
    ['no scope', ['request', ...wanted], /which payloads\?/],
    ['no purpose', ['request', '--ticket', 'T', '--request', 'r'], /--purpose/],
    ['no minutes', ['request', ...wanted, '--request', 'r', '--minutes', '0'], /from 1 to 1440/],
    ['too many minutes', ['request', ...wanted, '--request', 'r', '--minutes', '1441'], /1440/],
    ['a grant that there is not', ['show', '019a9bd4-5c00-7abc-8def-0123456789ab'], /./],
    ['a grant without an id', ['approve'], /missing required argument/],
  ])('refuses %s', async (_, args, message) => {
    expectRefusal(await cairn(['grant', ...args, ...as.auditor]), message)
  })
})

describe('cairn hold and cairn erase', () => {
  const basis = ['--basis', 'GDPR Art. 17']

  it('keeps a person from erasure until it is lifted', async () => {
    const place = [
      'hold',
      'place',
      'case-1',
      '--reason',
      'litigation',
      '--subject',
      'bob@example.com',
    ]
    const placed = await cairn([...place, ...as.admin])
    expect(placed.stdout).toMatch(/^✓ hold case-1 is in force\n {2}over subject p_.{22}\n/)
    expectRefusal(await cairn([...place, ...as.admin]), /case-1/)
    const erase = ['erase', '--subject', 'bob@example.com', ...basis, ...as.admin]
    expectRefusal(await cairn(erase), /held by case-1/)
    const list = await cairn(['hold', 'list', '--active', ...as.admin])
    expect(list.stdout).toMatch(/^active {2}case-1\n {2}over subject p_.{22}\n {2}litigation\n/)
    const lift = ['hold', 'lift', 'case-1', '--reason', 'settled', ...as.admin]
    expect((await cairn(lift)).stdout).toBe('✓ hold case-1 is lifted\n')
    expectRefusal(await cairn(lift), /case-1/)
    const { holds } = await json<{ holds: JsonObject[] }>(['hold', 'list', ...as.admin])
    expect(holds).toMatchObject([{ name: 'case-1', state: 'lifted', lifted_by: 'admin' }])
  })

  it('erases a person, and every receipt stays valid', async () => {
    const who = ['erase', '--subject', 'ann@example.com']
    const dry = await cairn([...who, '--dry-run', ...as.admin])
    expect(dry.stdout).toBe('2 records about ann@example.com; nothing was erased\n')
    const run = await cairn([...who, ...basis, ...as.admin])
    expect(run.stdout).toMatch(/^✓ erased: 2 records lost .*\n {2}p_.{22} leads to nobody any more/)
    expectRefusal(await cairn([...who, ...basis, ...as.admin]), /nobody is known by this name/)
    const list = await cairn(['erase', '--list', ...as.admin])
    expect(list.stdout).toMatch(/ {2}GDPR Art\. 17\n$/)
    const verify = ['verify', at('receipts'), '--vkey', at('data', 'log.vkey')]
    expect((await cairn(verify)).stdout).toBe('verified: 3 receipts under 1 head\n')
    const leaf = await readFile(at('receipts', '0.leaf'))
    const shown = await json<{ leaf_hash: string }>(['search', '--show', '0', ...as.auditor])
    const hash = createHash('sha256').update('\0').update(leaf).digest('base64')
    expect(shown.leaf_hash).toBe(hash)
  })

  it.each([
    ['nobody', ['erase', ...basis], /whose data is to be erased/],
    ['no legal basis', ['erase', '--subject', 'x'], /needs its legal basis/],
    ['a list of somebody', ['erase', '--list', '--subject', 'x'], /--subject does not go with/],
    ['a hold over nothing', ['hold', 'place', 'h', '--reason', 'r'], /what is to be held\?/],
    [
      'a hold over all and some',
      ['hold', 'place', 'h', '--reason', 'r', '--everything', '--type', 'decision'],
      /--everything goes with no other/,
    ],
    ['a name that is none', ['hold', 'place', 'a b', '--reason', 'r', '--everything'], /name/],
    ['a hold that there is not', ['hold', 'lift', 'other', '--reason', 'r'], /other/],
    ['no reason', ['hold', 'lift', 'other'], /--reason/],
  ])('refuses %s', async (_, args, message) => {
    expectRefusal(await cairn([...args, ...as.admin]), message)
  })

  it('says how to find out what became of an erasure without an answer', async () => {
    const erase = ['erase', '--subject', 'x', ...basis, '--url', 'http://127.0.0.1:9']
    expectRefusal(await cairn(erase), /cannot reach .*; whether it was done is shown by/)
  })

  it('says who may erase and hold', async () => {
    const erase = await cairn(['erase', '--subject', 'x', ...basis, ...as.auditor])
    expectRefusal(erase, /takes the role administrator/)
    const hold = ['hold', 'place', 'h', '--reason', 'r', '--everything', ...as.auditor]
    expectRefusal(await cairn(hold), /takes the role administrator/)
  })
})

describe('a log whose entries are private', () => {
  it('gives those who submit their receipts, and records to those who may read them', async () => {
    const data = at('private')
    const flags = { data, port: 0, 'private-entries': true }
    const hidden = await serve(await loadConfig({ flags, env: {} }))
    try {
      const submitter = await newcomer('submitter', hidden, data)
      const elsewhere = await newcomer('administrator', hidden, data, ['--tenant', 'other'])
      const add = ['append', at('records.ndjson'), '--records', '--receipts']
      const blind = await cairn([...add, at('blind'), ...submitter])
      expect(blind.code).toBe(0)
      expect(blind.stderr).toMatch(/^only the receipts are kept, and not the records: /)
      expect((await readdir(at('blind'))).sort()).toEqual([0, 1, 2].map((i) => `${i}.tlog-proof`))
      expect((await cairn([...add, at('seen'), ...elsewhere])).stderr).toBe('')
      const verify = ['verify', at('seen'), '--vkey', join(data, 'log.vkey')]
      expect((await cairn(verify)).stdout).toBe('verified: 3 receipts under 1 head\n')
    } finally {
      await hidden.close()
    }
  })
})
