import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { originHash } from '../../src/client/witness-client.ts'
import { parseNote, parseSignatureLines } from '../../src/formats/note.ts'
import { parsePolicy } from '../../src/formats/policy.ts'
import { formatVkey, parseVkey } from '../../src/formats/vkey.ts'
import { loadConfig } from '../../src/server/config.ts'
import { serve } from '../../src/server/serve.ts'
import { type RunningWitness, serveWitness } from '../../src/server/witness.ts'
import { loadWitnessConfig } from '../../src/server/witness-config.ts'
import type { WitnessServerEvent } from '../../src/server/witness-events.ts'
import { openPool } from '../../src/storage/postgres-pool.ts'
import { testDatabase } from '../support/postgres.ts'
import { WitnessedLog } from '../witness/witnessed-log.ts'

const LOG = new WitnessedLog('log.example')
const OTHER = new WitnessedLog('other.example')
const LOG_VKEY = formatVkey(LOG.key.vkey)
const OTHER_VKEY = formatVkey(OTHER.key.vkey)

let directory: string
let data: string
let running: RunningWitness[]
let events: WitnessServerEvent[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-serve-witness-'))
  data = join(directory, 'w')
  running = []
  events = []
})
afterEach(async () => {
  for (const one of running) await one.close()
  await rm(directory, { recursive: true, force: true })
})

async function start(
  flags: Readonly<Record<string, unknown>> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<RunningWitness> {
  const config = await loadWitnessConfig({ flags: { data, port: 0, ...flags }, env })
  const witness = await serveWitness(config, { onEvent: (event) => events.push(event) })
  running.push(witness)
  return witness
}

const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })
const add = (url: string, body: Uint8Array): Promise<Response> =>
  fetch(`${url}/add-checkpoint`, { method: 'POST', body: body as Uint8Array<ArrayBuffer> })
const read = (file: string): Promise<string> => readFile(join(data, file), 'utf8')
const said = (event: string) => events.filter((one) => one.event === event)

describe('a witness', () => {
  it('makes everything at the first start and finds it at the second', async () => {
    const first = await start({ name: 'w.example', log: [LOG_VKEY] })
    expect((await readdir(data)).sort()).toEqual([
      'admin.token',
      'format',
      'keys',
      'store',
      'tokens',
      'url',
      'witness.policy',
      'witness.vkey',
    ])
    expect((await stat(join(data, 'keys/witness.key'))).mode & 0o777).toBe(0o600)
    expect((await stat(join(data, 'admin.token'))).mode & 0o777).toBe(0o600)
    expect(await read('url')).toBe(`${first.url}\n`)
    const vkeys = (await read('witness.vkey')).trimEnd().split('\n')
    expect(vkeys).toEqual(first.witness.vkeys)
    expect(vkeys.map(parseVkey)).toMatchObject([
      { name: 'w.example', type: 'ed25519-cosignature' },
      { name: 'w.example/ml-dsa-44', type: 'ml-dsa-44' },
    ])
    expect(first.name).toBe('w.example')
    const policy = parsePolicy(utf8(await read('witness.policy')))
    expect(policy.witnesses.map(({ key, url }) => [formatVkey(key), url])).toEqual(
      vkeys.map((vkey) => [vkey, first.url]),
    )
    expect(said('keys-created')).toHaveLength(1)
    expect(said('listening')).toMatchObject([{ name: 'w.example', vkeys, logs: 1, local: true }])
    const answer = await add(first.url, LOG.request(0, 7))
    const signatures = parseSignatureLines(utf8(await answer.text()))
    expect(signatures.map(({ name, keyId }) => `${name}+${keyId}`)).toEqual(
      vkeys.map((vkey) => vkey.split('+').slice(0, 2).join('+')),
    )
    await first.close()
    await first.close()

    const second = await start()
    expect(second.witness.vkeys).toEqual(vkeys)
    expect(second.witness.logs()).toMatchObject([{ origin: 'log.example', head: { size: 7 } }])
    expect((await add(second.url, LOG.request(0, 7))).status).toBe(409)
    expect((await add(second.url, LOG.request(7, 9))).status).toBe(200)
    expect(said('keys-created')).toHaveLength(1)
  })

  it('watches the logs that are configured beside those that were added', async () => {
    const first = await start({ log: [LOG_VKEY] })
    await first.witness.watch([OTHER.key.vkey])
    await first.close()
    const second = await start({ log: [LOG_VKEY, formatVkey(LOG.mlDsaKey.vkey)] })
    expect(second.witness.logs().map(({ origin, vkeys }) => [origin, vkeys])).toEqual([
      ['log.example', [LOG_VKEY, formatVkey(LOG.mlDsaKey.vkey)]],
      ['other.example', [OTHER_VKEY]],
    ])
  })

  it('tells its operator by a token', async () => {
    const { url } = await start({ log: [LOG_VKEY] })
    const token = (await read('admin.token')).trim()
    const ask = (headers: Record<string, string>) => fetch(`${url}/v1/logs`, { headers })
    expect((await ask({})).status).toBe(401)
    expect((await ask({ authorization: `Bearer ${token}x` })).status).toBe(401)
    expect((await ask({ authorization: `Bearer ${token}` })).status).toBe(200)
  })

  it('shows another address in its policy than the one it listens at', async () => {
    const { url } = await start({ 'public-url': 'https://w.example/here/' })
    const policy = parsePolicy(utf8(await read('witness.policy')))
    expect(policy.witnesses.map((witness) => witness.url)).toEqual([
      'https://w.example/here',
      'https://w.example/here',
    ])
    expect(await read('url')).toBe(`${url}\n`)
    expect(said('listening')).toMatchObject([{ local: false }])
  })

  it('that listens everywhere is reached from here', async () => {
    await start({ host: '0.0.0.0' })
    expect(await read('url')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\n$/)
    expect((await fetch(`${(await read('url')).trim()}/healthz`)).status).toBe(200)
  })

  it('can do without ML-DSA-44 and come back to it', async () => {
    const both = (await start()).witness.vkeys
    await running.pop()!.close()
    const one = await start({ 'ml-dsa': false, log: [LOG_VKEY] })
    expect(one.witness.vkeys).toEqual(both.slice(0, 1))
    expect(await read('witness.vkey')).toBe(`${both[0]}\n`)
    expect(await read('witness.policy')).toBe(
      `witness ${one.name} ${both[0]} ${one.url}\nquorum ${one.name}\n`,
    )
    const answer = await add(one.url, LOG.request(0, 7))
    expect(parseSignatureLines(utf8(await answer.text()))).toHaveLength(1)
    await one.close()
    expect((await start()).witness.vkeys).toEqual(both)
    expect(await read('witness.vkey')).toBe(`${both.join('\n')}\n`)
  })

  it('signs subtrees only where that is switched on', async () => {
    const ask = (url: string) => fetch(`${url}/sign-subtree`, { method: 'POST', body: 'x' })
    const off = await start()
    expect((await ask(off.url)).status).toBe(404)
    await off.close()
    expect((await ask((await start({ 'sign-subtree': true })).url)).status).toBe(400)
  })

  it('is an ordinary HTTP server beside that', async () => {
    const { url } = await start({ log: [LOG_VKEY] })
    await add(url, LOG.request(0, 3))
    const path = `${originHash('log.example')}/checkpoint`
    const note = await (await fetch(`${url}/${path}`)).text()
    expect(parseNote(utf8(note)).signatures).toHaveLength(3)
    for (const open of ['healthz', 'readyz', 'metrics', 'openapi.json', 'v1/conflicts', '']) {
      expect((await fetch(`${url}/${open}`)).status, open).toBe(200)
    }
  })

  it('answers what it accepted before it closes', async () => {
    const { url, close } = await start({ log: [LOG_VKEY] })
    const status = add(url, LOG.request(0, 5)).then(
      (given) => given.status,
      () => 'never arrived',
    )
    await new Promise((resolve) => setTimeout(resolve, 5))
    await close()
    expect([200, 'never arrived']).toContain(await status)
    expect(events.at(-1)).toEqual({ event: 'closed' })
    await expect(fetch(`${url}/healthz`)).rejects.toThrow()
  })
})

describe('a witness refuses', () => {
  it('a directory that another witness has open', async () => {
    await start()
    await expect(start()).rejects.toEqual(refusal('LOCKED', /in use by another process/))
  })

  it("a log's directory, and a log refuses a witness's", async () => {
    const flags = { data: join(directory, 'log'), port: 0 }
    const log = await serve(await loadConfig({ flags, env: {} }))
    await log.close()
    await expect(start({ data: flags.data })).rejects.toEqual(
      refusal('FOREIGN_DIRECTORY', /data of a log, which cairn serve runs on/),
    )
    await start()
    await expect(serve(await loadConfig({ flags: { data, port: 0 }, env: {} }))).rejects.toEqual(
      refusal('FOREIGN_DIRECTORY', /data of a witness, which cairn witness runs/),
    )
  })

  it('a directory of something else', async () => {
    await mkdir(data)
    await writeFile(join(data, 'thesis.txt'), '')
    await expect(start()).rejects.toEqual(refusal('FOREIGN_DIRECTORY', /thesis\.txt/))
  })

  it('another name than it has', async () => {
    await (await start({ name: 'w.example' })).close()
    await expect(start({ name: 'v.example' })).rejects.toEqual(
      refusal('USAGE', /name is w\.example and cannot become v\.example/),
    )
    expect((await start({ name: 'w.example' })).name).toBe('w.example')
  })

  it('a port that is taken, and lets go of the data', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as { port: number }
    await expect(start({ port })).rejects.toEqual(refusal('USAGE', /something else listens there/))
    other.close()
    await start()
  })

  it('to begin anew when its keys are gone, or another file names other keys', async () => {
    await (await start()).close()
    const key = await read('keys/witness.key')
    await rm(join(data, 'keys/witness.key'))
    await expect(start()).rejects.toEqual(
      refusal('CORRUPT', /keys of this witness are missing .* put their backup back/),
    )
    await writeFile(join(data, 'keys/witness.key'), key)
    await writeFile(join(data, 'witness.vkey'), `${LOG_VKEY}\n`)
    await expect(start()).rejects.toEqual(refusal('CORRUPT', /does not name the keys in/))
  })

  it('to forget what it has cosigned', async () => {
    await (await start()).close()
    await rm(join(data, 'store'), { recursive: true })
    for (let again = 0; again < 2; again++) {
      await expect(start()).rejects.toEqual(
        refusal('CORRUPT', /what this witness has cosigned is missing .* begin a new witness/),
      )
    }
  })

  it('an old copy of its data, whose memory is not its own', async () => {
    const first = await start({ log: [LOG_VKEY] })
    await add(first.url, LOG.request(0, 3))
    await first.close()
    await cp(data, join(directory, 'backup'), { recursive: true })
    // Heads have times in seconds.
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const second = await start()
    await add(second.url, LOG.request(3, 5))
    await second.close()
    await rm(data, { recursive: true })
    await cp(join(directory, 'backup'), data, { recursive: true })
    await expect(start()).rejects.toEqual(
      refusal('CORRUPT', /data of this witness was rolled back: .* put the newest copy back/),
    )
    expect(await readdir(`${data}.signer`)).toEqual([expect.stringMatching(/^[0-9a-f]{8}\.guard$/)])
  })

  it('a guard against old copies in a place that it cannot have', async () => {
    await expect(start({ 'rollback-guard': '/dev/null/guard' })).rejects.toEqual(
      refusal('IO', /\/dev\/null\/guard/),
    )
    await start({ 'rollback-guard': join(directory, 'elsewhere', 'guard') })
    expect(await readdir(join(directory, 'elsewhere'))).toEqual(['guard'])
  })

  it('keys with a passphrase that it was not told', { timeout: 60_000 }, async () => {
    const env = { CAIRN_PASSPHRASE: 'correct horse' }
    await (await start({}, env)).close()
    expect(await readdir(join(data, 'keys'))).toEqual(['witness.key.age'])
    await expect(start()).rejects.toEqual(refusal('USAGE', /is encrypted; give its passphrase/))
    await expect(start({}, { CAIRN_PASSPHRASE: 'wrong' })).rejects.toEqual(
      refusal('USAGE', /passphrase is wrong/),
    )
    await start({}, env)
  })
})

describe('a witness with a database', () => {
  const inDatabase = async () => {
    const { url, schema } = await testDatabase()
    return { database: url, 'database-schema': schema }
  }

  it('keeps there what it has cosigned, and nothing of it in its directory', async () => {
    const where = await inDatabase()
    const first = await start({ ...where, name: 'w.example', log: [LOG_VKEY] })
    expect((await add(first.url, LOG.request(0, 9))).status).toBe(200)
    expect(await readdir(join(data, 'store'))).toEqual([])
    await first.close()
    const second = await start(where)
    expect(second.witness.logs()).toMatchObject([{ origin: 'log.example', head: { size: 9 } }])
    expect((await add(second.url, LOG.request(0, 5))).status).toBe(409)
    expect((await add(second.url, LOG.request(9, 10))).status).toBe(200)
  })

  it('is one process’s, wherever the other one runs', async () => {
    const where = await inDatabase()
    await start({ ...where, log: [LOG_VKEY] })
    await cp(data, join(directory, 'copy'), { recursive: true })
    const copy = start({ ...where, data: join(directory, 'copy') })
    await expect(copy).rejects.toEqual(refusal('LOCKED', /in use by another witness/))
  })

  it('is not another witness’s', async () => {
    const where = await inDatabase()
    const first = await start({ ...where, name: 'w.example' })
    await first.close()
    const other = start({ ...where, data: join(directory, 'other') })
    await expect(other).rejects.toEqual(refusal('USAGE', /memory of another witness, w\.example/))
  })

  it('does not forget what it has cosigned', async () => {
    const where = await inDatabase()
    const first = await start({ ...where, log: [LOG_VKEY] })
    expect((await add(first.url, LOG.request(0, 9))).status).toBe(200)
    await first.close()
    const empty = start(await inDatabase())
    await expect(empty).rejects.toEqual(
      refusal('CORRUPT', /what this witness has cosigned is miss/),
    )
    await expect(start({})).rejects.toEqual(refusal('CORRUPT', /is missing from/))
    // An old copy of the database has no newer heads than it had.
    const pool = openPool({ url: where.database, schema: where['database-schema'] })
    await pool.execute('go back', 'DELETE FROM heads')
    await pool.close()
    await expect(start(where)).rejects.toEqual(refusal('CORRUPT', /rolled back/))
  })

  it.each([
    [{ database: 'localhost' }, /database must be a URL/],
    [{ 'database-schema': 'x' }, /database-schema needs database/],
    [
      { database: 'postgres://localhost/x', 'database-schema': 'X' },
      /database-schema has lowercase/,
    ],
  ])('is not configured as %j', async (flags, reason) => {
    await expect(start(flags)).rejects.toEqual(refusal('USAGE', reason))
  })
})
