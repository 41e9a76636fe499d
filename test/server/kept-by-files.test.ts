/** A server that is told in files how long payloads are kept, and what must never be recorded. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadConfig } from '../../src/server/config.ts'
import { type RunningServer, serve } from '../../src/server/serve.ts'

let place: string
let server: RunningServer | undefined
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'cairn-kept-'))
})
afterEach(async () => {
  await server?.close()
  server = undefined
  await rm(place, { recursive: true, force: true })
})

const TABLE = `version: cairn-retention/v1
regimes: {}
classes:
  brief: { about: not for long, keep: P1D }
jurisdictions:
  none: { about: nowhere, class: brief }
`
const RULES = `version: cairn-secret-rules/v1
rules: [{ name: acme-key, pattern: 'acme_[a-z]{12}', action: refuse }]
`

async function start(table: string, rules: string, more = ''): Promise<RunningServer> {
  await writeFile(join(place, 'table.yaml'), table)
  await writeFile(join(place, 'rules.yaml'), rules)
  const file = join(place, 'cairn.yaml')
  await writeFile(
    file,
    `data: data\nopen: true\nretention-table: table.yaml\nsecret-rules: rules.yaml\n${more}`,
  )
  const flags = { config: file, port: 0, 'free-space-floor': 1 }
  server = await serve(await loadConfig({ flags, env: {} }))
  return server
}

const refusal = (message: RegExp) => ({ code: 'USAGE', message: expect.stringMatching(message) })

it('takes only classes of the table, and no secret of the rules', async () => {
  const { url } = await start(TABLE, RULES)
  const submit = async (record: object) => {
    const body = JSON.stringify({ type: 'decision', ...record })
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}/v1/records`, { method: 'POST', body, headers })
    const { detail } = (await answer.json()) as { detail?: string }
    return { status: answer.status, detail }
  }
  expect(await submit({ retention_class: 'brief' })).toMatchObject({ status: 201 })
  expect(await submit({ retention_class: 'standard' })).toMatchObject({
    status: 400,
    detail: expect.stringMatching(
      /\/retention_class: the retention table has no class standard; it has brief$/,
    ),
  })
  const refused = await submit({ input: { prompt: 'with acme_abcdefghijkl in it' } })
  expect(refused).toMatchObject({ status: 400, detail: expect.stringContaining('(acme-key)') })
  expect(refused.detail).not.toContain('acme_abcdefghijkl')
})

it('does not start with a file that it cannot use, and says where it is wrong', async () => {
  await expect(start('version: 1', RULES)).rejects.toMatchObject(
    refusal(/^cannot use the retention table \/.*\/table\.yaml: \/regimes: is missing$/),
  )
  await expect(start(TABLE, 'rules: []')).rejects.toMatchObject(
    refusal(/^cannot use the secret rules \/.*\/rules\.yaml: \/version: is missing$/),
  )
  const elsewhere = TABLE.replace('none:', 'elsewhere:')
  await expect(start(elsewhere, RULES)).rejects.toMatchObject(refusal(/jurisdiction "none"/))
  const tenants = 'tenants: { clinic: { jurisdiction: eu } }\n'
  await expect(start(TABLE, RULES, tenants)).rejects.toMatchObject(
    refusal(/tenant clinic is "eu"; those of the retention table are none$/),
  )
})
