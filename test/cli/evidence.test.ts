/** `cairn evidence` and `cairn report` against a running log. */
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRecordsClient, type RecordsClient } from '../../src/client/records-client.ts'
import { loadConfig } from '../../src/server/config.ts'
import { type RunningServer, serve } from '../../src/server/serve.ts'
import { expectRefusal } from './fixture.ts'
import { cairn } from './run.ts'

let folder: string
let server: RunningServer
let admin: RecordsClient
/** Flags that reach the log with all roles, and as an approver. */
let reach: readonly string[]
let approver: readonly string[]
const at = (...parts: string[]): string => join(folder, ...parts)
const month = new Date().toISOString().slice(0, 7)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-evidence-'))
  const flags = { data: at('data'), port: 0, origin: 'cli.example/log', 'publish-interval': 20 }
  server = await serve(await loadConfig({ flags, env: {} }))
  const { url } = server
  const tokenFile = at('data', 'admin.token')
  reach = ['--url', url, '--token-file', tokenFile]
  admin = createRecordsClient({ url, token: (await readFile(tokenFile, 'utf8')).trim() })
  approver = ['--url', url, '--token', await newToken('olga', 'approver')]
  await writeFile(at('approver.token'), approver.at(-1)!)
  const request = { type: 'llm_request', request_id: 'req-1', subject: 'ann@example.com' } as const
  await admin.submit({ ...request, input: { prompt: 'May I?' }, output: { text: 'No.' } })
  await admin.submit({ type: 'decision', request_id: 'req-1', decision: { outcome: 'no' } })
  await admin.submit({ ...request, request_id: 'req-2', input: { prompt: 'And I?' } })
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

/** A token of somebody with one role, once the running server knows it. */
async function newToken(name: string, role: string): Promise<string> {
  const args = ['token', 'add', name, '--roles', role, '--data', at('data'), '--json']
  const { token } = JSON.parse((await cairn(args)).stdout) as { token: string }
  const client = createRecordsClient({ url: server.url, token, retries: 0 })
  for (;;) {
    const code = await client.grants().then(
      () => 'known',
      (error: { code: string }) => error.code,
    )
    if (code !== 'UNAUTHORIZED') return token
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const evidence = (...args: readonly string[]) => cairn(['evidence', ...reach, ...args])

describe('cairn evidence', () => {
  it('writes a file that verifies', async () => {
    const out = at('req-1.cairn')
    const run = await evidence('--request', 'req-1', '--purpose', 'complaint 7', '--out', out)
    expect(run.code).toBe(0)
    const sha256 = createHash('sha256')
      .update(await readFile(out))
      .digest('hex')
    expect(run.stdout).toMatch(
      /^✓ .*req-1\.cairn: 2 records from cli\.example\/log, no payload shown, \d+\.\d KiB\n/,
    )
    expect(run.stdout).toContain(`SHA-256 ${sha256}`)
    expect(run.stderr).toMatch(/^not verified: cairn verify /)
    const verified = await cairn(['verify', out, '--vkey', at('data', 'log.vkey')])
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(verified.stdout).toContain('purpose    complaint 7')
    expect(verified.stdout).toMatch(/verified: 2 records of cli\.example\/log/)
    // The log has said before what is listed under the request.
    expect(verified.stdout).toMatch(
      /✓ {2}completeness +all 2 entries of the first \d+ that the log/,
    )
  })

  it('is verified at once by whoever names the key, and shows what a grant allows', async () => {
    const { id } = await admin.requestGrant({
      purpose: 'complaint 7',
      ticket: 'CASE-7',
      scope: { request_id: 'req-1' },
    })
    await cairn(['grant', 'approve', id, ...approver])
    const out = at('granted.cairn')
    const vkey = ['--vkey', at('data', 'log.vkey')]
    const run = await evidence('--request', 'req-1', '--grant', id, '--out', out, ...vkey)
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('◆ May I?')
    expect(run.stdout).toMatch(/◆ ann@example\.com \(p_/)
    expect(run.stdout).toMatch(/verified: 4 records/)
    expect(run.stderr).toMatch(/granted\.cairn: .* KiB, SHA-256 [0-9a-f]{64}\n$/)
    const { records } = await admin.search({ type: 'access' })
    expect(records).toMatchObject([{ action: 'evidence', parent_id: id }])
  })

  it('prints JSON when told to', async () => {
    const out = at('json.cairn')
    const run = await evidence('--subject', 'ann@example.com', '--out', out, '--json')
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(run.stdout)).toMatchObject({
      file: out,
      bytes: (await readFile(out)).length,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      claims: { records: 2, query: { subject: expect.stringMatching(/^p_/) } },
    })
    const vkey = ['--vkey', at('data', 'log.vkey')]
    const verified = await evidence('--request', 'req-1', '--out', out, '--json', ...vkey)
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, records: [{ index: 0 }, {}] })
  })

  it('does not end well when what it got does not hold', async () => {
    const vkey = 'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx'
    const out = at('foreign.cairn')
    const run = await evidence('--request', 'req-1', '--out', out, '--vkey', vkey)
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('NOT VERIFIED')
  })

  it('is refused in a line, and leaves no file behind', async () => {
    const out = ['--out', at('never.cairn')]
    const one = ['--request', 'req-1', ...out]
    const grant = '019a9bd4-5c00-7abc-8def-000000000005'
    const cases: [readonly string[], RegExp][] = [
      [[...reach, ...out], /which records\?/],
      [[...reach, ...one, '--everything'], /--everything goes with no other/],
      [[...reach, '--request', 'req-1'], /--out/],
      [
        [...reach, '--request', 'none', ...out],
        /no record answers this; to have that proven: cairn search --prove --request … --out FILE/,
      ],
      [[...reach, '--type', 'tool_call', ...out], /no record answers this$/m],
      [[...reach, '--subject', 'nobody', ...out], /nobody is known by this name/],
      [[...reach, '--type', 'song', ...out], /--type takes one of/],
      [[...reach, '--trace', 'x', ...out], /\/scope\/trace_id/],
      [[...reach, ...one, '--grant', grant], /has no grant 019a9bd4/],
      [[...reach, ...one, '--grant', 'x'], /\/grant/],
      [[...reach, ...one, '--purpose', ''], /\/purpose/],
      [[...approver, ...one], /takes the role auditor or administrator/],
      [['--url', server.url, ...one], /token/],
      [[...reach, ...one, '--vkey', 'nonsense'], /neither a vkey nor/],
    ]
    for (const [args, said] of cases) expectRefusal(await cairn(['evidence', ...args]), said)
    expect(await readdir(folder)).not.toContain('never.cairn')
  })
})

describe('cairn search --prove', () => {
  const prove = (...args: readonly string[]) => cairn(['search', '--prove', ...reach, ...args])

  it('writes the proof that there is none, which verifies', async () => {
    const out = at('none.list')
    const run = await prove('--request', 'req-9', '--out', out)
    expect(run.code, run.stderr).toBe(0)
    expect(run.stdout).toMatch(/^✓ .*none\.list: no entry of request req-9, up to tree size \d+, /)
    expect(run.stderr).toMatch(/^not verified: cairn verify /)
    const page = at('none.html')
    const vkey = ['--vkey', at('data', 'log.vkey')]
    const verified = await cairn(['verify', out, ...vkey, '--report', page])
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(verified.stdout).toContain('none.list: proof of a complete list from cli.example/log')
    const flat = verified.stdout.replace(/\s+/g, ' ')
    expect(flat).toMatch(
      /verified: up to tree size \d+, cli\.example\/log has no entry of request req-9/,
    )
    expect(flat).toMatch(/– not covered entry \d+ and later ones; another spelling of the request/)
    const report = await readFile(page, 'utf8')
    expect(report).toContain('cli.example/log has no entry of request req-9 of the tenant default')
    expect(report).toContain('<dt>Kind</dt><dd>proof of a complete list</dd>')
  })

  it('is verified at once by whoever names the key, and lists what there is', async () => {
    const vkey = ['--vkey', at('data', 'log.vkey')]
    const run = await prove('--subject', 'ann@example.com', '--out', at('ann.list'), ...vkey)
    expect(run).toMatchObject({ code: 0, stderr: '' })
    const flat = run.stdout.replace(/\s+/g, ' ')
    expect(flat).toMatch(
      /verified: these are all entries of subject p_\S+ of the tenant default in .*: 0, 2;/,
    )
    const { records } = await admin.search({ request_id: 'req-1', order: 'oldest' })
    const one = ['--record', records[0]!.id, '--out', at('one.list'), '--json']
    const made = JSON.parse((await prove(...one)).stdout)
    expect(made.claims).toMatchObject({ field: 'record', value: records[0]!.id, indices: [0] })
    const judged = JSON.parse((await prove(...one, ...vkey)).stdout)
    expect(judged).toMatchObject({ ok: true, kind: 'complete-list', list: { indices: [0] } })
    const stranger = 'cli.example/log+00000000+AAAA'
    expectRefusal(await prove(...one, '--vkey', stranger), /vkey/)
  })

  it('is refused in a line, and leaves no file behind', async () => {
    const out = ['--out', at('never.list')]
    const one = ['--request', 'req-1', ...out]
    const cases: [readonly string[], RegExp][] = [
      [[...reach, ...out], /--prove takes one of --request, --session/],
      [[...reach, ...one, '--session', 's'], /--prove takes one of/],
      [[...reach, ...one, '--record', 'x'], /--prove takes one of/],
      [[...reach, '--request', 'req-1'], /name the file to write with --out/],
      [[...reach, ...one, '--type', 'decision'], /nothing else to look for/],
      [[...reach, ...one, '--from', '2026-11-21'], /nothing else to look for/],
      [[...reach, ...one, '--all'], /nothing else to look for/],
      [[...reach, ...one, '--show', '0'], /nothing else to look for/],
      [
        [...reach, '--record', 'x', ...out],
        /"id" .*expected the id of a record|the id of a record/,
      ],
      [[...reach, '--subject', 'nobody', ...out], /nobody is known by this name/],
      [[...approver, ...one], /takes the role auditor or administrator/],
      [['--url', server.url, ...one], /token/],
    ]
    for (const [args, said] of cases)
      expectRefusal(await cairn(['search', '--prove', ...args]), said)
    const alone = await cairn(['search', '--record', 'x', ...reach])
    expectRefusal(alone, /--record goes with --prove/)
    expect(await readdir(folder)).not.toContain('never.list')
  })
})

describe('cairn report', () => {
  const report = (...args: readonly string[]) =>
    cairn(['report', '--month', month, ...reach, ...args])

  it('sums a month up', async () => {
    const run = await report()
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/^Audit report of default, [A-Z][a-z]+ \d{4}\n/)
    expect(run.stdout).toContain('integrity not fully proven')
    expect(run.stdout).toContain('  ✓  Consistency')
    expect(run.stdout).toContain('  –  Witnesses')
    expect(run.stdout).toMatch(/ {4}LLM request +2\n/)
    expect(run.stdout).toMatch(/ {2}erasures +0\n/)
  })

  it('writes a page, or data, by the name of the file', async () => {
    const page = await report('--out', at('month.html'))
    expect(page).toMatchObject({ code: 0, stderr: '' })
    expect(page.stdout).toMatch(/^✓ .*month\.html: the report on default for /)
    expect(page.stdout).toMatch(/\n {2}integrity not fully proven\n {2}– {2}Witnesses +no policy/)
    expect(page.stdout).not.toContain('Consistency')
    expect(await readFile(at('month.html'), 'utf8')).toMatch(/^<!doctype html>[\s\S]*LLM request/)
    await report('--out', at('month.json'))
    const made = JSON.parse(await readFile(at('month.json'), 'utf8'))
    expect(made).toMatchObject({ version: 'cairn-report/v1', tenant: 'default', month })
    const other = await report('--out', at('month.txt'), '--format', 'html', '--json')
    expect(JSON.parse(other.stdout)).toMatchObject({ records: { total: expect.any(Number) } })
    expect(await readFile(at('month.txt'), 'utf8')).toMatch(/^<!doctype html>/)
    expect((await report('--format', 'html')).stdout).toMatch(/^<!doctype html>/)
  })

  it('is refused in a line', async () => {
    const cases: [readonly string[], RegExp][] = [
      [['--month', '2026-13', ...reach], /expected a month such as 2026-11/],
      [['--month', 'last', ...reach], /expected a month/],
      [reach, /--month/],
      [['--month', month, ...reach, '--format', 'pdf'], /json, html/],
      [['--month', month, ...approver], /takes the role auditor or administrator/],
      [['--month', month, ...reach, '--out', at('no', 'such')], /no such file or directory/],
    ]
    for (const [args, said] of cases) expectRefusal(await cairn(['report', ...args]), said)
  })

  describe('of something that is no log with reports', () => {
    let other: Server
    let answer = ''
    beforeAll(async () => {
      other = createServer((_, response) => response.end(answer))
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    })
    afterAll(() => new Promise((resolve) => other.close(resolve)))

    it('says so', async () => {
      const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
      for (answer of ['{}', '[]', 'hello', '', '{"version":"cairn-report/v2"}']) {
        const run = await cairn(['report', '--month', month, '--url', url])
        expectRefusal(run, /what answers there is not a log with reports/)
        const out = at('none.cairn')
        const other = await cairn(['evidence', '--request', 'r', '--out', out, '--url', url])
        expectRefusal(other, /what the log sent is no evidence/)
        const list = ['--request', 'r', '--out', out, '--url', url]
        expectRefusal(await cairn(['search', '--prove', ...list]), /is no complete list/)
        expect(await readdir(folder)).not.toContain('none.cairn')
      }
      answer = '{"version":"cairn-report/v1","integrity":{"verdict":"broken"}}'
      for (const flags of [[], ['--format', 'html']]) {
        const run = await cairn(['report', '--month', month, '--url', url, ...flags])
        expect(run.stderr).toMatch(/^cairn: what answers there is not a log with reports: .*\n$/)
        expect(run).toMatchObject({ code: 2, stdout: '' })
      }
    })
  })
})
