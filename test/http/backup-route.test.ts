import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import type { Principal } from '../../src/compliance/principal.ts'
import { CairnError } from '../../src/errors.ts'
import type { StreamedAnswer } from '../../src/http/answer.ts'
import { backupRoute, type HostedBackup } from '../../src/http/backup-route.ts'
import type { RouteRequest } from '../../src/http/route.ts'

const ADMIN: Principal = {
  name: 'admin',
  tenant: 'default',
  roles: new Set(['administrator']),
  identity: new Uint8Array(32),
}
const REQUEST: RouteRequest = {
  params: {},
  query: '',
  rawQuery: '',
  path: 'v1/backup',
  headers: {},
  body: async () => new Uint8Array(),
}

const hosted = (chunks: HostedBackup['chunks'], by: Principal | undefined = ADMIN) => ({
  authenticate: () => by,
  tenant: 'default',
  chunks,
})

async function bodyOf(answer: unknown): Promise<string> {
  let text = ''
  for await (const chunk of (answer as StreamedAnswer).body) text += Buffer.from(chunk).toString()
  return text
}

async function* some(): AsyncGenerator<Uint8Array> {
  yield utf8('one ')
  yield utf8('two')
}

describe('GET /v1/backup', () => {
  it('streams what there is, and then the next one', async () => {
    const route = backupRoute(hosted(async () => some()))
    for (let i = 0; i < 2; i++) expect(await bodyOf(await route.handle(REQUEST))).toBe('one two')
  })

  it('is refused while another one is taken, and to all but administrators of the own tenant', async () => {
    const route = backupRoute(hosted(async () => some()))
    const first = await route.handle(REQUEST)
    await expect(route.handle(REQUEST)).rejects.toMatchObject({ code: 'OVERLOADED' })
    expect(await bodyOf(first)).toBe('one two')
    for (const by of [
      { ...ADMIN, roles: new Set(['auditor', 'reader', 'approver', 'submitter'] as const) },
      { ...ADMIN, tenant: 'acme' },
    ]) {
      const refused = backupRoute(hosted(async () => some(), by)).handle(REQUEST)
      await expect(refused).rejects.toMatchObject({ code: 'FORBIDDEN' })
    }
    const unknown = { ...hosted(async () => some()), authenticate: () => undefined }
    expect(await backupRoute(unknown).handle(REQUEST)).toMatchObject({ status: 401 })
    await expect(backupRoute(undefined).handle(REQUEST)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })

  it('makes room when nobody takes it, when it fails, and when it cannot begin', async () => {
    const stalled = backupRoute(
      hosted(async () => some()),
      30,
    )
    const first = await stalled.handle(REQUEST)
    await new Promise((resolve) => setTimeout(resolve, 60))
    await expect(bodyOf(first)).rejects.toMatchObject({ code: 'STOPPED' })
    expect(await bodyOf(await stalled.handle(REQUEST))).toBe('one two')

    let tried = 0
    const failing = backupRoute(
      hosted(async () => {
        tried++
        if (tried === 1) throw new CairnError('UNAVAILABLE', 'not here')
        return (async function* () {
          yield utf8('one')
          throw new CairnError('IO', 'the disk is gone')
        })()
      }),
    )
    await expect(failing.handle(REQUEST)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    for (let i = 0; i < 2; i++) {
      await expect(bodyOf(await failing.handle(REQUEST))).rejects.toMatchObject({ code: 'IO' })
    }
  })
})
