import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../src/bytes.ts'
import { readSubmitterKey, signRecords } from '../../src/cli/submitter-key.ts'
import { parseSubmission } from '../../src/formats/record.ts'
import { verifySubmission } from '../../src/formats/record-signature.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { loadConfig } from '../../src/server/config.ts'
import { type RunningServer, serve } from '../../src/server/serve.ts'
import { expectRefusal } from './fixture.ts'
import { cairn } from './run.ts'

let folder: string
let server: RunningServer
let vkey: string
const at = (name: string): string => join(folder, name)

const RECORDS = [
  '{"type":"llm_request","request_id":"r-1","subject":"ann@example.com"}',
  '{"type":"tool_call","action":"payment.create","request_id":"r-1"}',
]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-submitter-'))
  const made = await cairn(['key', 'submitter', 'payments-app.2026', '--out', at('app.key')])
  expect(made).toMatchObject({ code: 0, stderr: expect.stringContaining('the private key') })
  vkey = made.stdout.trim()
  await writeFile(
    at('cairn.yaml'),
    `data: log\ntenants: { default: { submitter-keys: ["${vkey}"] } }\n`,
  )
  await writeFile(at('records.ndjson'), `${RECORDS.join('\n')}\n`)
  server = await serve(await loadConfig({ flags: { config: at('cairn.yaml'), port: 0 }, env: {} }))
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

const append = (...more: string[]) => {
  const to = ['--records', '--url', server.url, '--token-file', at('log/admin.token')]
  return cairn(['append', at('records.ndjson'), ...to, ...more])
}

describe('the key of a submitter', () => {
  it('is made once, for its owner’s eyes only', async () => {
    expect((await stat(at('app.key'))).mode & 0o777).toBe(0o600)
    expect(parseVkey(vkey)).toMatchObject({ name: 'payments-app.2026', type: 'ed25519' })
    const before = await readFile(at('app.key'))
    const again = await cairn(['key', 'submitter', 'x', '--out', at('app.key')])
    expectRefusal(again, /app\.key exists, and a key is never replaced/)
    expect(await readFile(at('app.key'))).toEqual(before)
    expectRefusal(await cairn(['key', 'submitter', 'a b', '--out', at('x')]), /white space/)
  })

  it('signs records that the log knows for the submitter’s', async () => {
    const run = await append('--sign-key', at('app.key'), '--receipts', at('receipts'), '--json')
    expect(run).toMatchObject({ code: 0, stderr: '' })
    const [index] = JSON.parse(run.stdout).indices
    const leaf = JSON.parse(await readFile(at(`receipts/${index}.leaf`), 'utf8'))
    expect(leaf.signature.key_id).toBe('payments-app.2026')
    // The same run again is the same submission.
    const key = ['--idempotency-key', 'run-1', '--sign-key', at('app.key'), '--json']
    const [first, second] = [await append(...key), await append(...key)]
    expect(JSON.parse(second.stdout).ids).toEqual(JSON.parse(first.stdout).ids)
  })

  it('that the log does not have, or of another name, signs nothing', async () => {
    await cairn(['key', 'submitter', 'payments-app.2026', '--out', at('false.key')])
    const forged = await append('--sign-key', at('false.key'))
    expect(forged).toMatchObject({ code: 1, stdout: '' })
    expect(forged.stderr).toMatch(/^cairn: line 1 .*\/signature: it is not the signature of key/)
    await cairn(['key', 'submitter', 'other', '--out', at('other.key')])
    const unknown = await append('--sign-key', at('other.key'))
    expect(unknown).toMatchObject({ code: 1, stdout: '' })
    expect(unknown.stderr).toMatch(/line 1 .*no key of this name is registered for the tenant/)
  })

  it('is refused when it is none', async () => {
    expectRefusal(await append('--sign-key', at('cairn.yaml')), /no key of a submitter/)
    expectRefusal(await append('--sign-key', at('nowhere')), /no such file/)
    const leaf = ['append', at('records.ndjson'), '--sign-key', at('app.key')]
    expectRefusal(await cairn(leaf), /--sign-key goes with --records/)
  })
})

describe('signing', () => {
  async function signed(run: string, records = RECORDS): Promise<string[]> {
    const key = await readSubmitterKey(at('app.key'))
    async function* source() {
      for (const record of records) yield utf8(record)
    }
    const all: string[] = []
    for await (const one of signRecords(source(), key, run)) all.push(fromUtf8(one))
    return all
  }

  it('covers each record with a nonce of its own, the same for the same run', async () => {
    const all = await signed('run-1')
    for (const one of all) verifySubmission(parseSubmission(one), parseVkey(vkey).publicKey)
    const nonces = [...all, ...(await signed('run-2'))].map((one) => JSON.parse(one).nonce)
    expect(new Set(nonces).size).toBe(4)
    expect(await signed('run-1')).toEqual(all)
  })

  it('keeps a nonce that is there, and replaces a signature', async () => {
    const nonce = 'AAAAAAAAAAAAAAAAAAAAAA'
    const [first] = await signed('x', [`{"type":"llm_request","nonce":"${nonce}"}`])
    expect(JSON.parse(first!).nonce).toBe(nonce)
    expect(await signed('y', [first!])).toEqual([first])
  })

  it.each(['{', '[]', '{"type":"nonsense"}', '{"type":"llm_request","type":"x"}'])(
    'names the record that is wrong: %s',
    async (record) => {
      await expect(signed('x', [RECORDS[0]!, record])).rejects.toMatchObject({
        code: 'MALFORMED',
        message: expect.stringMatching(/^record 2: /),
      })
    },
  )
})
