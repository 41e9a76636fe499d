/** As much as a log takes at once, in, out again under a grant, and as evidence: over real HTTP. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createRecordsClient } from '../../src/client/records-client.ts'
import { verifyEvidence } from '../../src/client/verify-evidence.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { addToken } from '../../src/server/change-tokens.ts'
import { loadConfig } from '../../src/server/config.ts'
import { serve } from '../../src/server/serve.ts'

const MIB = 2 ** 20

it('a batch of 32 MiB goes in, and a payload of nearly 8 MiB comes out as it was, in an answer and in evidence', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-records-large-'))
  const data = join(folder, 'log')
  const start = async () => serve(await loadConfig({ flags: { data, port: 0 }, env: {} }))
  try {
    await (await start()).close()
    const added = { name: 'approver', roles: ['approver'] as const }
    const { token: approver } = await addToken(join(data, 'tokens'), added)
    const { url, close } = await start()
    try {
      const admin = (await readFile(join(data, 'admin.token'), 'utf8')).trim()
      const text = (n: number): string => `${n}é"`.repeat(1_600_000)
      const record = (n: number): string =>
        JSON.stringify({ type: 'llm_request', request_id: `req-${n}`, input: { prompt: text(n) } })
      const body = Buffer.from([0, 1, 2, 3].map(record).join('\n'))
      const filled = (size: number) => {
        const [before, after] = ['\n{"type":"decision","note":"', '"}']
        const rest = size - body.length - before.length - after.length
        return Buffer.concat([body, Buffer.from(before + 'x'.repeat(rest) + after)])
      }
      const send = (bytes: ReturnType<typeof filled>) =>
        fetch(`${url}/v1/records`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${admin}`,
            'content-type': 'application/x-ndjson',
            prefer: 'return=minimal',
          },
          body: bytes,
        })
      expect((await send(filled(32 * MIB + 1))).status).toBe(413)
      const answer = await send(filled(32 * MIB))
      expect(answer.status).toBe(201)
      const { records } = (await answer.json()) as { records: { index: number }[] }
      expect(records.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4])

      const client = createRecordsClient({ url, token: admin })
      const scope = { request_id: 'req-1' }
      const { id } = await client.requestGrant({ purpose: 'looking', ticket: 'T-1', scope })
      await createRecordsClient({ url, token: approver }).decideGrant(id, 'approve')
      const { payload } = await client.read(1, { grant: id })
      expect(JSON.stringify(payload).includes(JSON.stringify(text(1)).slice(1, -1))).toBe(true)
      const evidence = await client.evidence({ scope, grant: id })
      const vkeys = (await readFile(join(data, 'log.vkey'), 'utf8')).trim().split('\n')
      const verdict = verifyEvidence(evidence, { logKeys: vkeys.map(parseVkey) })
      expect(verdict.checks.filter(({ status }) => status === 'failed')).toEqual([])
      const shown = verdict.records[0]!.disclosed.find(({ pointer }) => pointer === '/input/prompt')
      expect(shown?.value === text(1)).toBe(true)
    } finally {
      await close()
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})
