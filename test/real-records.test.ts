/**
 * Real input from end to end: 5,276 answers of four models, each the record of an llm_request. They go in over HTTP, are
 * found, read under a grant, made into evidence and into a report; a person among them is erased, under a hold at first;
 * and after all of it, and a restart, every receipt still holds.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../src/bytes.ts'
import { auditLog } from '../src/client/audit-log.ts'
import { createLogClient } from '../src/client/log-client.ts'
import type { RecordReceipt } from '../src/client/record-answers.ts'
import { createRecordsClient, type RecordsClient } from '../src/client/records-client.ts'
import type { Trust } from '../src/client/verdict.ts'
import { verifyEvidence } from '../src/client/verify-evidence.ts'
import type { Role } from '../src/compliance/principal.ts'
import { parseVkey } from '../src/formats/vkey.ts'
import { verifyInclusion } from '../src/merkle/inclusion.ts'
import type { Report } from '../src/reports/report.ts'
import { addToken } from '../src/server/change-tokens.ts'
import { loadConfig } from '../src/server/config.ts'
import { type RunningServer, serve } from '../src/server/serve.ts'
import { hasModelAnswers, modelAnswers } from './support/model-answers.ts'
import { filesHolding } from './support/stored-bytes.ts'

const hasInput = hasModelAnswers()
const PUPIL = 'pupil-3@school.example'
const REQUEST = 'gsm8k-7-175b_verification'

describe.skipIf(!hasInput)('the records of real model interactions', () => {
  const answers = modelAnswers()
  const receipts: RecordReceipt[] = []
  let folder: string
  let server: RunningServer
  let trust: Trust
  const tokens = new Map<string, string>()

  const data = (): string => join(folder, 'data')
  const as = (name: string): RecordsClient =>
    createRecordsClient({ url: server.url, token: tokens.get(name)! })

  async function start(): Promise<void> {
    const flags = { data: data(), port: 0, origin: 'school.example/log' }
    server = await serve(await loadConfig({ flags, env: {} }))
  }

  async function hire(name: string, ...roles: Role[]): Promise<void> {
    const { token } = await addToken(join(data(), 'tokens'), {
      name,

      roles,
    })
    tokens.set(name, token)
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cairn-real-records-'))
    await start()
    await server.close()
    await hire('app', 'submitter')
    await hire('audrey', 'auditor')
    await hire('arthur', 'approver')
    await hire('ada', 'administrator')
    await start()
    const vkeys = (await readFile(join(data(), 'log.vkey'), 'utf8')).trimEnd().split('\n')
    trust = { logKeys: vkeys.map(parseVkey) }
    for await (const some of as('app').submitMany(answers)) receipts.push(...some)
  }, 120_000)

  afterAll(async () => {
    await server.close()
    await rm(folder, { recursive: true })
  })

  it('are all in the log, each with a receipt', () => {
    expect(receipts).toHaveLength(5276)
    expect(receipts.map(({ index }) => index)).toEqual(answers.map((_, i) => i))
  })

  it('are found by model, by session and by person', async () => {
    const count = async (query: object): Promise<number> => {
      let found = 0
      for await (const _ of as('audrey').searchAll({ limit: 1000, ...query })) found++
      return found
    }
    expect(await count({})).toBe(5276)
    expect(await count({ model: '175b_verification' })).toBe(1319)
    expect(await count({ session_id: 'gsm8k-7' })).toBe(4)
    const theirs = answers.filter(({ subject }) => subject === PUPIL).length
    expect(await count({ subject: PUPIL })).toBe(theirs)
    expect(await count({ subject: PUPIL, model: '6b_finetuning' })).toBe(theirs / 4)
  })

  it('make evidence of one request, which says what was said only under a grant', async () => {
    const scope = { request_id: REQUEST }
    const answer = answers.find(({ request_id }) => request_id === REQUEST)!
    const redacted = verifyEvidence(await as('audrey').evidence({ scope }), trust)
    expect(redacted).toMatchObject({ ok: true, problems: [] })
    expect(redacted.records).toMatchObject([{ ok: true, disclosed: [] }])

    const { id } = await as('audrey').requestGrant({ purpose: 'complaint', ticket: 'C-1', scope })
    await expect(as('audrey').evidence({ scope, grant: id })).rejects.toThrow(/approved/)
    await expect(as('audrey').decideGrant(id, 'approve')).rejects.toMatchObject({
      code: 'FORBIDDEN',
    })
    await as('arthur').decideGrant(id, 'approve')
    const file = await as('audrey').evidence({ scope, grant: id })
    const shown = verifyEvidence(file, trust)
    expect(shown).toMatchObject({ ok: true, problems: [] })
    const values = shown.records[0]!.disclosed.map(({ pointer, value }) => [pointer, value])
    expect(Object.fromEntries(values)).toMatchObject({
      '/input/prompt': answer.input!.prompt,
      '/output/text': answer.output!.text,
      '/subject': answer.subject,
    })
    await writeFile(join(folder, 'request.cairn'), file)
    const altered = file.slice()
    altered[file.indexOf(answer.output!.text!.charCodeAt(0), 4_000)]! ^= 1
    expect(verifyEvidence(altered, trust).ok).toBe(false)
  })

  it('lose a person, once no hold keeps them, and nothing else', async () => {
    const subject = PUPIL
    const basis = 'GDPR art. 17(1)(b)'
    await as('ada').placeHold({ name: 'school-v-pupil', reason: 'a claim', scope: { subject } })
    await expect(as('ada').erase({ subject, basis })).rejects.toMatchObject({
      code: 'HELD',
      message: expect.stringMatching(/school-v-pupil/),
    })
    await as('ada').liftHold('school-v-pupil', 'settled')
    const theirs = answers.filter((one) => one.subject === PUPIL).length
    expect(await as('ada').erase({ subject, basis })).toMatchObject({ records: theirs })
    await expect(as('ada').erase({ subject, basis })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect((await as('audrey').search({ subject })).records).toEqual([])
    expect(await filesHolding(data(), Buffer.from('pupil-3@school'))).toEqual([])

    const scope = { session_id: 'gsm8k-3' }
    const { id } = await as('audrey').requestGrant({ purpose: 'check', ticket: 'C-2', scope })
    await as('arthur').decideGrant(id, 'approve')
    for (let i = 12; i < 16; i++) {
      const isTheirs = answers[i]!.subject === PUPIL
      const { payload } = await as('audrey').read(i, { grant: id })
      expect(payload?.state).toBe(isTheirs ? 'erased' : 'shown')
    }
  })

  it('still verify, all of them, after a restart', async () => {
    await server.close()
    await start()
    const client = createLogClient({ url: server.url })
    const checkpoint = await client.checkpoint()
    const verdict = await auditLog({ checkpoint, source: client.tileSource(), trust })
    expect(verdict.ok).toBe(true)
    for (const { index, receipt } of receipts) {
      const { size, leafHash, proof, root } = receipt
      verifyInclusion(index, size, leafHash, proof, root)
    }
    const evidence = verifyEvidence(
      new Uint8Array(await readFile(join(folder, 'request.cairn'))),
      trust,
    )
    expect(evidence.ok).toBe(true)
  })

  it('are counted in the report of their month, with what was done with them', async () => {
    const month = new Date().toISOString().slice(0, 7)
    const text = Buffer.from(await as('audrey').report(month, 'json')).toString('utf8')
    const report = JSON.parse(text) as Report
    expect(report.models.rows.map(({ name, records }) => [name, records]).slice(0, 4)).toEqual(
      expect.arrayContaining(
        ['6b_finetuning', '6b_verification', '175b_finetuning', '175b_verification'].map((name) => [
          name,
          1319,
        ]),
      ),
    )
    expect(report).toMatchObject({
      integrity: { verdict: expect.stringMatching(/intact|unproven/) },
      erasures: { total: 1, by_basis: { rows: [{ basis: 'GDPR art. 17(1)(b)', records: 1 }] } },
      holds: { total: 2 },
      grants: { total: 4 },
    })
    expect(report.accesses.total).toBeGreaterThan(0)
    const page = Buffer.from(await as('audrey').report(month, 'html')).toString('utf8')
    expect(page).toMatch(/^<!doctype html>/i)
    expect(page).toContain('175b_verification')
    expect(utf8(page).length).toBeLessThan(500_000)
  })
})
