/** `cairn fsck` of the bucket of a log in a database: with it, without it, and alone. */
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { openObjectDirectory } from '../../src/storage/object-directory.ts'
import { openPostgresLogStore } from '../../src/storage/postgres.ts'
import { openPool } from '../../src/storage/postgres-pool.ts'
import { until } from '../log/archived-log.ts'
import { afterThisFile } from '../support/endings.ts'
import { type Running, whileServed } from '../support/moving-place.ts'
import { testDatabase, withClient } from '../support/postgres.ts'
import { isS3Missing, startS3 } from '../support/s3.ts'
import { expectRefusal } from './fixture.ts'
import { cairn } from './run.ts'

const LEAVES = 600

let folder: string
const at = (...names: string[]): string => join(folder, ...names)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-fsck-archive-'))
  afterThisFile(() => rm(folder, { recursive: true, force: true }))
})

type Settings = Readonly<Record<string, string | number>>

/** A configuration of these settings, as a file. */
async function configured(name: string, settings: Settings): Promise<string> {
  const file = at(`${name}.yaml`)
  const lines = Object.entries(settings).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
  await writeFile(file, `${lines.join('\n')}\n`)
  return file
}

/** Serves such a log until the bucket has so many leaves of it. */
function archived(
  size: number,
  settings: Settings,
  work: (running: Running) => Promise<void>,
): Promise<void> {
  const { data, ...flags } = settings
  return whileServed(
    String(data),
    async (running) => {
      await work(running)
      await until(async () => {
        const metrics = await (await fetch(`${running.url}/metrics`)).text()
        const has = new RegExp(`^cairn_archived_size\\S* ${size}$`, 'm').test(metrics)
        return has && /^cairn_archive_lag_leaves\S* 0$/m.test(metrics) ? true : undefined
      })
    },
    { origin: 'archived.example/log', 'archive-interval': 50, ...flags },
  )
}

async function submit({ log }: Running, from: number, to: number): Promise<void> {
  const leaves = Array.from({ length: to - from }, (_, i) => utf8(`leaf ${from + i}`))
  for await (const _ of log.submitForIndices(leaves));
}

describe('fsck of a log with a bucket', () => {
  let settings: Settings
  let config: string
  let database: { readonly url: string; readonly schema: string }
  const bucket = (...names: string[]): string => at('bucket', ...names)

  beforeAll(async () => {
    database = await testDatabase()
    await mkdir(bucket())
    settings = {
      data: at('data'),
      database: database.url,
      'database-schema': database.schema,
      bucket: `file://${bucket()}`,
    }
    config = await configured('cairn', settings)
    await archived(LEAVES + 300, settings, async (running) => {
      await submit(running, 0, LEAVES)
      // Its servers may run meanwhile, and go on.
      const growing = submit(running, LEAVES, LEAVES + 300)
      const found = await until(async () => {
        const run = await cairn(['fsck', '--config', config, '--archive-only', '--json'])
        const first = run.stdout.includes('"archived checkpoint"')
        return first ? undefined : run
      })
      await growing
      expect(found).toMatchObject({ code: 0, stderr: '' })
    })
  }, 60_000)

  const damage = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const bytes = await readFile(bucket(name))
    await chmod(bucket(name), 0o644)
    await writeFile(
      bucket(name),
      bytes.map((byte, i) => (i === 5 ? byte ^ 1 : byte)),
    )
    try {
      return await work()
    } finally {
      await writeFile(bucket(name), bytes)
    }
  }

  it('looks at all of it, and at the bucket alone with the database gone', async () => {
    const run = await cairn(['fsck', '--config', config])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(
      /nothing wrong: 900 entries, .*, the archive of 900 entries in \d+ objects of .*bucket/,
    )
    // A read-only copy of a bucket can be checked.
    await rm(bucket('.unfinished'), { recursive: true })
    const gone = await configured('gone', {
      ...settings,
      data: at('nowhere'),
      database: 'postgres://nobody@127.0.0.1:1/none',
    })
    const alone = ['fsck', '--config', gone, '--archive-only']
    expectRefusal(await cairn(alone), /log\.vkey; give them with --vkey/)
    const keyed = await cairn([...alone, '--vkey', at('data', 'log.vkey'), '--json'])
    expect(keyed).toMatchObject({ code: 0, stderr: '' })
    expect(existsSync(bucket('.unfinished'))).toBe(false)
    expect(JSON.parse(keyed.stdout)).toEqual({
      ok: true,
      archive: {
        place: expect.stringContaining('bucket'),
        size: 900,
        bytes: expect.any(Number),
        objects: expect.any(Number),
        heads: expect.any(Number),
        ahead: 0,
      },
      findings: [],
    })
  })

  it('tells of what is damaged there, unless it is left out', async () => {
    const [whole, without, alone] = await damage('tile/entries/001', () =>
      Promise.all([
        cairn(['fsck', '--config', config]),
        cairn(['fsck', '--config', config, '--no-archive', '--json']),
        cairn(['fsck', '--config', config, '--archive-only', '--json']),
      ]),
    )
    expect(whole.code).toBe(1)
    expect(whole.stdout).toMatch(/✗ archived entry 256 does not hash to/)
    expect(whole.stdout).toMatch(/1 finding in 900 entries/)
    expect(without.code).toBe(0)
    expect(JSON.parse(without.stdout)).not.toHaveProperty('archive')
    expect(alone.code).toBe(1)
    expect(JSON.parse(alone.stdout)).toMatchObject({
      ok: false,
      findings: [{ kind: 'archive', name: 'archived entry 256' }],
    })
  })

  it('finds a bucket that the database is behind, and takes one before its first checkpoint', async () => {
    const inSchema = (sql: string) =>
      withClient(database.url, async (client) => {
        await client.query(`SET search_path = ${database.schema}`)
        await client.query('SET session_replication_role = replica')
        return (await client.query(sql)).rows
      })
    await inSchema('UPDATE publication SET size = 700')
    const run = await cairn(['fsck', '--config', config])
    await inSchema('UPDATE publication SET size = 900')
    expect(run.code).toBe(1)
    expect(run.stdout).toContain(
      '✗ archived checkpoint is for 900 leaves, but only 700 are published in the database',
    )
    await rename(bucket(), at('aside'))
    await mkdir(bucket())
    const early = await cairn(['fsck', '--config', config])
    await rm(bucket(), { recursive: true })
    await rename(at('aside'), bucket())
    expect(early.code).toBe(0)
    expect(early.stderr).toMatch(/is not checked: no checkpoint was archived yet/)
  })

  it('is refused where it cannot be', async () => {
    const flags = ['--database', database.url, '--database-schema', database.schema]
    const without = ['fsck', at('data'), ...flags]
    const [row] = await wanted()
    const unseen = await cairn(without)
    expect(unseen.code).toBe(0)
    expect(unseen.stderr).toMatch(/the bucket of the log is not checked: name it in --config/)
    // To check is not to say that the log has no bucket.
    expect(await wanted()).toEqual([row])
    expectRefusal(await cairn([...without, '--archive-only']), /this one has none/)
    const alone = ['fsck', '--config', config, '--archive-only']
    expectRefusal(await cairn([...alone, '--no-archive']), /--no-archive does not go with/)
    expectRefusal(await cairn([...alone, '--remap']), /--remap does not go with/)
    expectRefusal(await cairn(['fsck', '--config', config, '--vkey', 'x']), /--vkey goes with/)
    expectRefusal(await cairn(['fsck']), /say where the log is/)
    await rename(bucket(), at('aside'))
    const missing = [await cairn(alone), await cairn(['fsck', '--config', config])]
    await rename(at('aside'), bucket())
    for (const run of missing) expectRefusal(run, /bucket/)
  })

  const wanted = (): Promise<unknown[]> =>
    withClient(database.url, async (client) => {
      const { rows } = await client.query(`SELECT wanted FROM ${database.schema}.archive`)
      return rows
    })

  it('needs the bucket for what the database has let go of', async () => {
    const { url, schema } = database
    const pool = openPool({ url, schema })
    const objects = await openObjectDirectory(bucket())
    const store = await openPostgresLogStore({ pool, archive: objects })
    const term = await store.lead({ holder: 'test', url: '', leaseMs: 10_000 })
    await term!.archived(treeSize(900), treeSize(900))
    await term!.resign()
    await store.close()
    await pool.close()
    expect(await cairn(['fsck', '--config', config])).toMatchObject({ code: 0, stderr: '' })
    const flags = ['--database', url, '--database-schema', schema]
    expectRefusal(await cairn(['fsck', at('data'), ...flags]), /give the bucket as well/)
  })
})

describe.skipIf(isS3Missing('versitygw'))('fsck of a log with a bucket of S3', () => {
  it('looks at it, and says in a line that it cannot be reached', async () => {
    const s3 = await startS3()
    afterThisFile(() => s3.stop())
    const { url, schema } = await testDatabase()
    const credentials = at('credentials')
    await writeFile(
      credentials,
      `[default]\naws_access_key_id = ${s3.accessKey}\naws_secret_access_key = ${s3.secretKey}\n`,
    )
    const name = await s3.newBucket()
    const settings = {
      data: at('s3-data'),
      database: url,
      'database-schema': schema,
      bucket: `s3://${name}/log`,
      's3-endpoint': s3.endpoint,
      's3-credentials': credentials,
    }
    const config = await configured('s3', settings)
    await archived(300, settings, (running) => submit(running, 0, 300))
    const run = await cairn(['fsck', '--config', config])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toContain(`of s3://${name}/log`)
    await s3.request('DELETE', `/${name}/log/tile/entries/000`)
    const lacking = await cairn(['fsck', '--config', config, '--archive-only'])
    expect(lacking.code).toBe(1)
    expect(lacking.stdout).toMatch(/✗ archived bundle 0 .*there is no tile\/entries\/000/)
    const away = await configured('away', { ...settings, 's3-endpoint': 'http://127.0.0.1:1' })
    const unreached = await cairn(['fsck', '--config', away, '--archive-only'])
    expectRefusal(unreached, /127\.0\.0\.1:1|s3:\/\//)
  }, 90_000)
})
