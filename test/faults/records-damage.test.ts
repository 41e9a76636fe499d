/** A log with records whose files were lost, damaged, mixed up or put back from a backup, behind real HTTP. */
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addToken } from '../../src/server/change-tokens.ts'
import { loadConfig } from '../../src/server/config.ts'
import type { ServerEvent } from '../../src/server/events.ts'
import { serve } from '../../src/server/serve.ts'
import { openLevelVaultStore } from '../../src/storage/level-vault.ts'
import { formatRecordId } from '../../src/vault/names.ts'
import { parsePayloadKey } from '../../src/vault/row-keys.ts'
import { cairn } from '../cli/run.ts'

const RECORDS = 20

let folder: string
let approver: string
const at = (...parts: string[]): string => join(folder, ...parts)

interface Served {
  readonly events: ServerEvent[]
  ask(path: string, body?: object | string, token?: string): Promise<Answer>
  /** The id of a grant for everything of a type. */
  grant(): Promise<string>
  /** The records that are found, and the state of their payloads under a grant. */
  found(query?: string): Promise<{ readonly id: string; readonly index: number }[]>
}

interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: what it holds is what the tests are about
  readonly json: any
}

/** Serves a data directory while something is done with it. */
async function served<T>(
  data: string,
  work: (log: Served) => Promise<T>,
  flags: object = {},
): Promise<T> {
  const events: ServerEvent[] = []
  const config = await loadConfig({ flags: { data, port: 0, ...flags }, env: {} })
  const { url, close } = await serve(config, { onEvent: (event) => events.push(event) })
  const admin = (await readFile(join(data, 'admin.token'), 'utf8')).trim()
  const ask: Served['ask'] = async (path, body, token = admin) => {
    const response = await fetch(url + path, {
      headers: {
        authorization: `Bearer ${token}`,
        'content-type':
          typeof body === 'string' && body !== '' ? 'application/x-ndjson' : 'application/json',
      },
      ...(body !== undefined && {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    })
    return { status: response.status, json: await response.json() }
  }
  try {
    return await work({
      events,
      ask,
      async grant() {
        const request = { purpose: 'looking', ticket: 'T-1', scope: { type: 'llm_request' } }
        const { id } = (await ask('/v1/grants', request)).json
        expect((await ask(`/v1/grants/${id}/approve`, '', approver)).status).toBe(200)
        return id
      },
      found: async (query = 'type=llm_request') =>
        (await ask(`/v1/records?${query}&order=oldest&limit=1000`)).json.records,
    })
  } finally {
    await close()
  }
}

function submission(n: number, subject = `person-${n % 4}@example.com`): object {
  return { type: 'llm_request', request_id: `req-${n}`, subject, input: { prompt: `prompt ${n}` } }
}

async function copy(name: string): Promise<string> {
  await cp(at('log'), at(name), { recursive: true })
  await cp(at('log.signer'), at(`${name}.signer`), { recursive: true })
  return at(name)
}

/** Why the start is refused. */
async function refused(data: string, flags: object = {}): Promise<Error & { code: string }> {
  const error = await served(data, async () => undefined, flags).catch((reason) => reason)
  expect(error).toBeInstanceOf(Error)
  return error
}

/** How many records can be read with their payloads. */
function readable(data: string): Promise<number> {
  return served(data, async ({ ask, grant, found }) => {
    const id = await grant()
    const answers = (await found()).map(({ index }) => ask(`/v1/records/${index}?grant=${id}`))
    const read = await Promise.all(answers)
    return read.filter(({ json }) => json.payload.state === 'shown').length
  })
}

const isTable = (name: string): boolean => name.endsWith('.ldb')

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-records-damage-'))
  await served(at('log'), async ({ ask }) => {
    const lines = Array.from({ length: RECORDS }, (_, i) => JSON.stringify(submission(i)))
    expect((await ask('/v1/records', lines.join('\n'))).status).toBe(201)
  })
  const added = { name: 'approver', roles: ['approver'] as const }
  approver = (await addToken(at('log', 'tokens'), added)).token
  await cp(at('log', 'vault'), at('backup'), { recursive: true })
  await served(at('log'), async ({ ask }) => {
    const erasure = { subject: 'person-1@example.com', basis: 'Art. 17' }
    expect((await ask('/v1/erasures', erasure)).json.records).toBe(RECORDS / 4)
    expect((await ask('/v1/records', submission(RECORDS, 'late@example.com'))).status).toBe(201)
  })
})
afterAll(() => rm(folder, { recursive: true }))

describe('a vault', () => {
  it('put back from a backup forgets again whom the log says was erased', async () => {
    const data = await copy('older')
    await rm(join(data, 'vault'), { recursive: true })
    await cp(at('backup'), join(data, 'vault'), { recursive: true })
    const states = await served(data, async ({ events, ask, grant, found }) => {
      expect(events).toContainEqual({ event: 'erased-again', people: 1, log: 'main' })
      expect(await found('subject=person-1@example.com')).toEqual([])
      const id = await grant()
      const answers = (await found()).map(({ index }) => ask(`/v1/records/${index}?grant=${id}`))
      return (await Promise.all(answers)).map(({ json }) => json.payload.state)
    })
    // Those of the erased person, and the one that came after the backup.
    const isGone = (n: number): boolean => n % 4 === 1 || n === RECORDS
    expect(states).toEqual(states.map((_, n) => (isGone(n) ? 'erased' : 'shown')))
    await served(data, async ({ events, found }) => {
      expect(events.map(({ event }) => event)).not.toContain('erased-again')
      expect(await found('type=erasure')).toMatchObject([{ subject: expect.any(String) }])
    })
    // And once more.
    await rm(join(data, 'vault'), { recursive: true })
    await cp(at('backup'), join(data, 'vault'), { recursive: true })
    await served(data, async ({ events }) => {
      expect(events).toContainEqual({ event: 'erased-again', people: 1, log: 'main' })
    })
    expect(await cairn(['fsck', data])).toMatchObject({ code: 0 })
  })

  it('that is missing is not made anew, unless that is wanted', async () => {
    const data = await copy('gone')
    await rm(join(data, 'vault'), { recursive: true })
    const keys = await readdir(join(data, 'keys'))
    expect(await refused(data)).toMatchObject({
      code: 'CORRUPT',
      message: expect.stringMatching(
        /vault is missing from .*restore a backup.*start once with --new-vault/,
      ),
    })
    expect(await readdir(data)).not.toContain('vault')
    expect(await readdir(join(data, 'keys'))).toEqual(keys)
    const run = await cairn(['fsck', data])
    expect(run.code).toBe(1)
    expect(run.stdout).toMatch(/✗ vault is missing from/)
    // Without the index as well there is still the note that there were records.
    await rm(join(data, 'index'), { recursive: true })
    expect(await refused(data)).toMatchObject({ code: 'CORRUPT' })
    expect(await readdir(data)).not.toContain('vault')
    expect((await cairn(['fsck', data])).stdout).toMatch(/✗ vault is missing from/)
    const begun = async ({ ask, found }: Served) => {
      expect((await ask('/v1/records', submission(99))).status).toBe(201)
      expect(await found()).toHaveLength(1)
    }
    await served(data, begun, { 'new-vault': true })
    await served(data, async ({ found }) => expect(await found()).toHaveLength(1))
  })

  it('that is missing is made anew where the index is still there, which goes with it', async () => {
    const data = await copy('gone-alone')
    await rm(join(data, 'vault'), { recursive: true })
    await served(data, async ({ found }) => expect(await found()).toEqual([]), {
      'new-vault': true,
    })
  })

  it('is not missed in a log that had no records', async () => {
    const data = at('empty')
    await served(data, async () => undefined)
    expect(await readdir(data)).not.toContain('records')
    await rm(join(data, 'vault'), { recursive: true })
    await served(data, async ({ found }) => expect(await found()).toEqual([]))
  })

  it.each([
    ['its keys', 'keys', (path: string) => rm(path, { recursive: true })],
    ['its payloads', 'payloads', (path: string) => rm(path, { recursive: true })],
    ['where its keys are', 'keys', (path: string) => rm(join(path, 'CURRENT'))],
    ['where its payloads are', 'payloads', (path: string) => rm(join(path, 'CURRENT'))],
  ])(
    'that has lost %s is refused, and is whole when that is put back',
    async (what, part, lose) => {
      const data = await copy(`lost-${what}`)
      await lose(join(data, 'vault', part))
      for (let start = 0; start < 2; start++) {
        expect(await refused(data)).toMatchObject({
          code: 'CORRUPT',
          message: expect.stringMatching(/restore a backup/),
        })
        expect((await cairn(['fsck', data])).code).toBe(1)
      }
      await cp(at('log', 'vault', part), join(data, 'vault', part), { recursive: true })
      expect(await readable(data)).toBe(RECORDS - RECORDS / 4 + 1)
    },
  )

  it.each([
    ['missing', (file: string) => rm(file), /the master key of the vault is missing from/],
    ['another', (file: string) => writeFile(file, Buffer.alloc(32, 7)), /with the master key/],
    ['cut', (file: string) => truncate(file, 31), /holds 31 bytes/],
    ['of a passphrase', (file: string) => writeFile(file, 'cairn-master-key/'), /CAIRN_PASSPHRASE/],
  ])('whose key is %s stays as it is', async (what, change, message) => {
    const data = await copy(`key-${what}`)
    await change(join(data, 'keys', 'vault.key'))
    const keys = await readdir(join(data, 'keys'))
    const start = { code: 'USAGE', message: expect.stringMatching(message) }
    expect(await refused(data)).toMatchObject(start)
    const nowhere = { 'vault-key': at('nowhere.key') }
    expect(await refused(data, nowhere)).toMatchObject({ code: 'USAGE' })
    expect(await readdir(join(data, 'keys'))).toEqual(keys)
    expect(await readdir(folder)).not.toContain('nowhere.key')
    for (const flags of [[], ['--reindex'], ['--vault-key', at('nowhere.key')]]) {
      const run = await cairn(['fsck', data, ...flags])
      // It may be kept elsewhere, and then all else is checked.
      const isElsewhere = ['missing', 'of a passphrase'].includes(what) && flags.length === 0
      expect(run.code, run.stderr).toBe(isElsewhere ? 0 : 2)
      if (flags.length < 2) expect(run.stderr).toMatch(message)
      expect(run.stderr.trim().split('\n')).toHaveLength(1)
    }
    expect(await readdir(folder)).not.toContain('nowhere.key')
    await cp(at('log', 'keys', 'vault.key'), join(data, 'keys', 'vault.key'))
    expect(await readable(data)).toBe(RECORDS - RECORDS / 4 + 1)
  })

  it('with a damaged payload says so, and harms nothing else', async () => {
    const data = await copy('damaged')
    const { id } = await served(data, async ({ found }) => (await found())[2]!)
    const store = await openLevelVaultStore(join(data, 'vault'))
    for await (const { key, value } of store.payloads.list(new Uint8Array())) {
      if (formatRecordId(parsePayloadKey(key).record) !== id) continue
      value[value.length - 1]! ^= 1
      await store.payloads.write([{ kind: 'put', key, value }])
    }
    await store.close()
    const damaged = await cairn(['fsck', data])
    expect(damaged.code).toBe(1)
    expect(damaged.stdout).toMatch(new RegExp(`✗ vault payload ${id}: `))
    await served(data, async ({ events, ask, grant, found }) => {
      const granted = await grant()
      const read = ({ index }: { index: number }) => ask(`/v1/records/${index}?grant=${granted}`)
      const all = await found()
      expect(all).toHaveLength(RECORDS + 1)
      const hurt = all.find((one) => one.id === id)!
      const answer = await read(hurt)
      expect(answer).toMatchObject({ status: 500, json: { code: 'CORRUPT' } })
      // The operator is told which one, those who ask are not.
      expect(JSON.stringify(events)).toContain(`of ${id} in the vault is damaged`)
      expect((await ask(`/v1/records/${hurt.index}`)).status).toBe(200)
      for (const one of all) if (one !== hurt) expect((await read(one)).status).toBe(200)
      expect((await ask('/v1/records', submission(99))).status).toBe(201)
      // Damage keeps nobody from being erased.
      const { subject } = (await ask(`/v1/records/${hurt.index}`)).json.record
      expect((await ask('/v1/erasures', { subject, basis: 'Art. 17' })).status).toBe(201)
    })
    expect(await cairn(['fsck', data])).toMatchObject({ code: 0 })
  })
})

describe('an index', () => {
  const change = (name: (file: string) => boolean, work: (file: string) => Promise<void>) =>
    async function changed(directory: string): Promise<void> {
      const files = (await readdir(directory)).filter(name)
      expect(files).not.toEqual([])
      for (const file of files) await work(join(directory, file))
    }
  const garbage = (file: string) => writeFile(file, Buffer.alloc(300, 0x5a))
  it.each([
    ['is missing', (directory: string) => rm(directory, { recursive: true }), false],
    ['has lost a table', change(isTable, (file) => rm(file)), true],
    ['has garbage for a table', change(isTable, garbage), true],
    ['has a table that was cut', change(isTable, (file) => truncate(file, 100)), true],
    [
      'does not know its tables',
      change(
        (name) => name === 'CURRENT',
        (file) => rm(file),
      ),
      true,
    ],
    [
      'has lost its list',
      change(
        (name) => name.startsWith('MANIFEST'),
        (file) => rm(file),
      ),
      true,
    ],
    [
      'is a file',
      async (directory: string) => {
        await rm(directory, { recursive: true })
        await writeFile(directory, 'what?')
      },
      true,
    ],
  ])('that %s is built again by itself', async (what, harm, isTold) => {
    const data = await copy(`index ${what}`)
    await harm(join(data, 'index'))
    await served(data, async ({ events, found }) => {
      expect(events.some(({ event }) => event === 'index-discarded')).toBe(isTold)
      expect(await found()).toHaveLength(RECORDS + 1)
      expect(await found('subject=person-2@example.com')).toHaveLength(RECORDS / 4)
      expect(await found('subject=person-1@example.com')).toEqual([])
    })
  })

  it('that has more than the log is dropped', async () => {
    const data = await copy('newer')
    const other = at('other')
    await served(other, async ({ ask }) => {
      const lines = Array.from({ length: 3 * RECORDS }, (_, i) => JSON.stringify(submission(i)))
      expect((await ask('/v1/records', lines.join('\n'))).status).toBe(201)
    })
    await rm(join(data, 'index'), { recursive: true })
    await cp(join(other, 'index'), join(data, 'index'), { recursive: true })
    await served(data, async ({ found }) => {
      const ids = (await found()).map(({ id }) => id)
      expect(ids).toHaveLength(RECORDS + 1)
    })
  })
})

describe('a log', () => {
  it('of the time before there were records goes on, with records', async () => {
    const data = at('before')
    await served(data, async ({ ask }) => {
      for (let i = 0; i < 5; i++) await ask('/add', `leaf ${i}`)
    })
    for (const name of ['vault', 'index', 'heads', 'tokens', 'keys/vault.key']) {
      await rm(join(data, name), { recursive: true, force: true })
    }
    await served(data, async ({ ask, found }) => {
      expect((await ask('/v1/records', submission(1))).json.index).toBe(5)
      expect(await found()).toHaveLength(1)
    })
  })

  it('on a disk that is nearly full takes no record, and loses none', async () => {
    const data = await copy('full')
    const flags = { 'free-space-floor': 2 ** 40 }
    await served(
      data,
      async ({ events, ask, found }) => {
        while (!events.some(({ event }) => event === 'disk-low')) {
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
        const full = { status: 507, json: { code: 'DISK_FULL' } }
        expect(await ask('/v1/records', submission(99))).toMatchObject(full)
        const lines = `${JSON.stringify(submission(98))}\n${JSON.stringify(submission(99))}`
        expect(await ask('/v1/records', lines)).toMatchObject(full)
        const erasure = { subject: 'person-2@example.com', basis: 'Art. 17' }
        expect(await ask('/v1/erasures', erasure)).toMatchObject(full)
        expect(await found()).toHaveLength(RECORDS + 1)
      },
      flags,
    )
    await served(data, async ({ events, ask, found }) => {
      expect(events.map(({ event }) => event)).not.toContain('withdrawn')
      expect((await ask('/v1/records', submission(99))).status).toBe(201)
      expect(await found()).toHaveLength(RECORDS + 2)
      expect(await found('subject=person-2@example.com')).toHaveLength(RECORDS / 4)
    })
  })

  it('is one process’s, whatever is done with its records', async () => {
    const data = await copy('two')
    await served(data, async ({ ask }) => {
      expect(await refused(data)).toMatchObject({ code: 'LOCKED' })
      expect((await ask('/v1/records', submission(99))).status).toBe(201)
    })
  })
})

describe('at the same moment', () => {
  it('twenty erase somebody whose records pour in: nothing of them is left behind any erasure', async () => {
    const data = await copy('pouring')
    const subject = 'mallory@example.com'
    await served(data, async ({ ask }) => {
      let isOver = false
      let submitted = 0
      const pouring = Array.from({ length: 4 }, async () => {
        while (!isOver) {
          const answer = await ask('/v1/records', submission(1_000 + submitted++, subject))
          expect(answer.status).toBe(201)
        }
      })
      while (submitted < 10) await new Promise((resolve) => setTimeout(resolve, 5))
      const erasures = await Promise.all(
        Array.from({ length: 20 }, () => ask('/v1/erasures', { subject, basis: 'Art. 17' })),
      )
      isOver = true
      await Promise.all(pouring)
      const pseudonyms = new Map(
        erasures
          .filter(({ status }) => status === 201)
          .map(({ json }) => [json.pseudonym as string, json.erasure.index as number]),
      )
      expect(pseudonyms.size).toBeGreaterThan(0)
      for (const { status } of erasures) expect([201, 404]).toContain(status)
      const { size } = (await ask('/v1/records?limit=1')).json
      const leaves = await Promise.all(
        Array.from({ length: size - RECORDS }, (_, i) => ask(`/v1/records/${RECORDS + i}`)),
      )
      let erased = 0
      for (const { json } of leaves) {
        const erasedAt = pseudonyms.get(json.record.subject)
        if (json.record.type === 'erasure' || erasedAt === undefined) continue
        expect(json.index).toBeLessThan(erasedAt)
        erased++
      }
      expect(erased).toBe(erasures.reduce((sum, { json }) => sum + (json.records ?? 0), 0))
    })
    expect(await cairn(['fsck', data])).toMatchObject({ code: 0 })
  })

  it('somebody is erased and held: one of both, and the hold means what it says', async () => {
    const data = await copy('held')
    await served(data, async ({ ask, found }) => {
      for (const [i, isHeldFirst] of [true, false, true, false].entries()) {
        const subject = `held-${i}@example.com`
        await ask('/v1/records', submission(i, subject))
        const hold = () =>
          ask('/v1/holds', { name: `hold-${i}`, reason: 'a case', scope: { subject } })
        const erase = () => ask('/v1/erasures', { subject, basis: 'Art. 17' })
        const answers = await Promise.all(isHeldFirst ? [hold(), erase()] : [erase(), hold()])
        const [held, erased] = isHeldFirst ? answers : [answers[1]!, answers[0]!]
        expect([held!.status, erased!.status]).toSatisfy(
          ([one, other]) => (one === 201 && other === 409) || (one === 404 && other === 201),
        )
        expect(await found(`subject=${subject}`)).toHaveLength(held!.status === 201 ? 1 : 0)
      }
    })
  })
})
