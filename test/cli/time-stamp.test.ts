/** `cairn verify` on time-stamps: offline, with words that a lawyer can read, and openssl as a second opinion. */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sha256 } from '#sha256'
import { utf8 } from '../../src/bytes.ts'
import { ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { formatTimeStampRequest, nonceFrom } from '../../src/formats/time-stamp.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { newFolder, type Place } from '../gossip/heads.ts'
import { checkpointAt, LEAVES, LOG_KEY, ORIGIN, tlogProofAt } from '../support/example-log.ts'
import { hasOpenssl, opensslAuthority } from '../support/openssl-authority.ts'
import {
  identity,
  issuing,
  pemOf,
  STAMPED_AT,
  stamp,
  timeStamping,
} from '../support/time-stamps.ts'
import { expectRefusal } from './fixture.ts'
import { cairn } from './run.ts'

describe('cairn verify on a time-stamp', () => {
  let place: Place
  let trusted: string[]
  const vkey = ['--vkey', formatVkey(LOG_KEY.vkey)]

  beforeAll(async () => {
    place = await newFolder()
    const root = await identity({ name: 'Root', extensions: issuing() })
    const signer = await identity({ name: 'TSA', issuer: root, extensions: timeStamping() })
    const stranger = await identity({ name: 'Stranger', extensions: issuing() })
    await writeFile(place.at('ca.pem'), pemOf(root.parsed.der))
    await writeFile(place.at('stranger.pem'), pemOf(stranger.parsed.der))
    const data = utf8(checkpointAt(7))
    await writeFile(place.at('7.checkpoint'), data)
    await writeFile(place.at('7.tsr'), await stamp({ signer, data }))
    await writeFile(place.at('7-20260115T120000Z.tsr'), await stamp({ signer, data }))
    await writeFile(place.at('lonely.checkpoint'), data)
    await writeFile(place.at('lost.tsr'), await stamp({ signer, data }))
    await writeFile(place.at('other.checkpoint'), checkpointAt(8))
    await writeFile(place.at('note.checkpoint'), 'no checkpoint')
    await writeFile(place.at('note.tsr'), await stamp({ signer, data: utf8('no checkpoint') }))
    trusted = ['--tsa', place.at('ca.pem'), ...vkey]
  })
  afterAll(() => place.discard())

  it('says what was stated, by whom, when, and what follows', async () => {
    const run = await cairn(['verify', place.at('7.tsr'), ...trusted])
    expect(run.stderr).toBe('')
    expect(run.code).toBe(0)
    const [headline, ...rest] = run.stdout.split('\n')
    expect(headline).toBe(`${place.at('7.tsr')}: time-stamp of a checkpoint of ${ORIGIN}`)
    const text = rest.join(' ').replace(/\s+/g, ' ')
    expect(text).toContain('CN=TSA is certified for time-stamps by CN=Root, which you trust')
    expect(text).toContain('verified: 15 January 2026, 12:00:00 UTC')
    expect(text).toContain(
      'CN=TSA states that it was shown this checkpoint at that time. So the checkpoint existed by then, and with it the tree of 7 leaves that it commits to.',
    )
  })

  it('gives all of it as JSON', async () => {
    const run = await cairn(['verify', place.at('7.tsr'), ...trusted, '--json'])
    expect(run.code).toBe(0)
    const { checks, root, ...facts } = JSON.parse(run.stdout)
    expect(facts).toEqual({
      file: place.at('7.tsr'),
      kind: 'time-stamp',
      ok: true,
      finding: `CN=TSA has signed that it was shown this checkpoint on 15 January 2026, 12:00:00 UTC; so by then ${ORIGIN} had signed its tree of 7 entries`,
      data: place.at('7.checkpoint'),
      origin: ORIGIN,
      size: 7,
      time: new Date(STAMPED_AT).toISOString(),
      authority: 'CN=TSA',
      serialNumber: '07',
      policy: '1.3.6.1.4.1.55555.2',
    })
    expect(root).toMatch(/^[0-9a-f]{64}$/)
    expect(
      checks.map((check: { name: string; status: string }) => [check.name, check.status]),
    ).toEqual([
      ['time-stamp', 'held'],
      ['time-stamped data', 'held'],
      ['time-stamp signature', 'held'],
      ['time-stamp authority', 'held'],
      ['log signature', 'held'],
      ['witnesses', 'skipped'],
    ])
  })

  it('finds the checkpoint of a later stamp, and the stamp of a checkpoint', async () => {
    for (const file of ['7-20260115T120000Z.tsr', '7.checkpoint']) {
      const run = await cairn(['verify', place.at(file), ...trusted, '--json'])
      expect([run.stderr, run.code]).toEqual(['', 0])
      expect(JSON.parse(run.stdout)).toMatchObject({ kind: 'time-stamp', ok: true, size: 7 })
    }
    const named = ['--data', place.at('lonely.checkpoint')]
    expect((await cairn(['verify', place.at('lost.tsr'), ...trusted, ...named])).code).toBe(0)
  })

  it('tells whoever verifies a checkpoint that there is a time-stamp', async () => {
    const run = await cairn(['verify', place.at('7.checkpoint'), ...vkey])
    expect(run.code).toBe(0)
    expect(run.stdout.replace(/\s+/g, ' ')).toMatch(
      /– time-stamp 7\.tsr is beside it; name the authority's certificate with --tsa/,
    )
    const alone = await cairn(['verify', place.at('lonely.checkpoint'), ...vkey])
    expect(alone.stdout).not.toContain('time-stamp')
  })

  it.each<[string, () => string[], RegExp]>([
    [
      'another checkpoint',
      () => ['7.tsr', '--data', place.at('other.checkpoint'), ...trusted],
      /✗ time-stamped data .*other bytes/,
    ],
    [
      'an authority that is not trusted',
      () => ['7.tsr', '--tsa', place.at('stranger.pem'), ...vkey],
      /✗ time-stamp authority .*no trusted certificate leads to it/,
    ],
    ['bytes that are no checkpoint', () => ['note.tsr', ...trusted], /✗ log signature/],
  ])('does not verify %s', async (_, args, reason) => {
    const [file, ...rest] = args()
    const run = await cairn(['verify', place.at(file!), ...rest])
    expect(run.stdout.replace(/\s+/g, ' ')).toMatch(reason)
    expect(run.stdout).toContain('NOT VERIFIED: do not rely on this file')
    expect(run.stdout).not.toMatch(/states that|January/)
    expect(run.code).toBe(1)
    const json = await cairn(['verify', place.at(file!), ...rest, '--json'])
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, kind: 'time-stamp' })
    expect(JSON.parse(json.stdout).time).toBeUndefined()
  })

  it('does not verify when the log has not signed the checkpoint', async () => {
    const other = formatVkey(ed25519SigningKey(ORIGIN, new Uint8Array(32).fill(9)).vkey)
    const tsa = ['--tsa', place.at('ca.pem')]
    const run = await cairn(['verify', place.at('7.tsr'), ...tsa, '--vkey', other])
    expect(run.code).toBe(1)
    expect(run.stdout).toMatch(/✗ {2}log signature/)
    expect(run.stdout).not.toContain('verified:')
  })

  it('does not verify a stamp of which a byte was changed', async () => {
    const bytes = await readFile(place.at('7.tsr'))
    bytes[bytes.length - 5]! ^= 1
    await writeFile(place.at('bent.tsr'), bytes)
    await copyFile(place.at('7.checkpoint'), place.at('bent.checkpoint'))
    const run = await cairn(['verify', place.at('bent.tsr'), ...trusted])
    expect(run.code).toBe(1)
  })

  it.each<[string, () => string[], RegExp]>([
    ['no authority', () => ['7.tsr', ...vkey], /whose time-stamp is it\? .* with --tsa/],
    ['no log', () => ['7.tsr', '--tsa', place.at('ca.pem')], /whose log is it/],
    [
      'no checkpoint',
      () => ['lost.tsr', ...trusted],
      /name the checkpoint's file with --data, or put it at .*lost\.checkpoint/,
    ],
    [
      'certificates that are none',
      () => ['7.tsr', '--tsa', place.at('7.tsr'), ...vkey],
      /7\.tsr: .*(UTF-8|PEM)/,
    ],
    ['--leaf', () => ['7.tsr', '--leaf', 'x', ...trusted], /--leaf goes with a receipt/],
    [
      '--tsa without a stamp',
      () => ['lonely.checkpoint', ...trusted],
      /--tsa and --data go with a time-stamp/,
    ],
    ['--data with a folder', () => ['', '--data', 'x', ...trusted], /not with a folder/],
  ])('asks for what is missing or does not fit: %s', async (_, args, message) => {
    const [file, ...rest] = args()
    expectRefusal(await cairn(['verify', place.at(file!), ...rest]), message)
  })

  describe('in a folder', () => {
    beforeAll(async () => {
      await mkdir(place.at('kept'))
      for (const name of ['7.checkpoint', '7.tsr', '7-20260115T120000Z.tsr', 'other.checkpoint']) {
        await copyFile(place.at(name), place.at('kept', name))
      }
    })

    it('is verified with the checkpoints and receipts that are there', async () => {
      const index = 4
      await writeFile(place.at('kept', '4.tlog-proof'), tlogProofAt(index, 9))
      await writeFile(place.at('kept', '4.leaf'), LEAVES[index]!)
      const run = await cairn(['verify', place.at('kept'), ...trusted])
      expect(run).toMatchObject({ code: 0, stderr: '' })
      const words = 'verified: 1 receipt under 1 head, 2 checkpoints and 2 time-stamps\n'
      expect(run.stdout.endsWith(`\n${words}`)).toBe(true)
      expect(run.stdout.match(/^ {2}✓ {2}.+\.(checkpoint|tsr) /gm)).toHaveLength(4)
    })

    it('is left alone, and counted, where nobody is trusted with the time', async () => {
      const run = await cairn(['verify', place.at('kept'), ...vkey])
      expect(run.code).toBe(0)
      expect(run.stdout).toMatch(/and 2 checkpoints\n2 time-stamps not checked: .* --tsa\n$/)
      const json = JSON.parse((await cairn(['verify', place.at('kept'), ...vkey, '--json'])).stdout)
      expect(json).toMatchObject({ ok: true, time_stamps: 0, unchecked: 2, checkpoints: 2 })
    })

    it('fails when one is of another checkpoint, or has lost its own', async () => {
      await copyFile(place.at('7.tsr'), place.at('kept', 'other.tsr'))
      await copyFile(place.at('lost.tsr'), place.at('kept', 'lost.tsr'))
      const run = await cairn(['verify', place.at('kept'), ...trusted])
      expect(run.code).toBe(1)
      expect(run.stdout).toContain('other.tsr: time-stamp of a checkpoint')
      expect(run.stdout.replace(/\s+/g, ' ')).toContain('without the checkpoint that it is of')
      expect(run.stdout).toMatch(
        /NOT VERIFIED: 2 of 1 receipt, 2 checkpoints and 4 time-stamps failed/,
      )
    })

    it('needs an authority when there is nothing else', async () => {
      await mkdir(place.at('stamps'))
      await copyFile(place.at('7.tsr'), place.at('stamps', '7.tsr'))
      expectRefusal(await cairn(['verify', place.at('stamps'), ...vkey]), /whose time-stamp is it/)
    })
  })

  it.runIf(hasOpenssl())("verifies what openssl's authority stamped", async () => {
    const authority = await opensslAuthority()
    try {
      const data = utf8(checkpointAt(9))
      const nonce = nonceFrom(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
      await writeFile(place.at('9.checkpoint'), data)
      const response = await authority.reply(formatTimeStampRequest(sha256(data), nonce))
      await writeFile(place.at('9.tsr'), response)
      const run = await cairn(['verify', place.at('9.tsr'), '--tsa', authority.caFile, ...vkey])
      expect([run.stderr, run.code]).toEqual(['', 0])
      expect(run.stdout.replace(/\s+/g, ' ')).toMatch(
        /verified: \d+ \w+ \d{4}, [\d:]+ UTC, give or take 1\.5 seconds CN=Time-Stamp Unit 1, O=Time of Day states/,
      )
    } finally {
      await authority.close()
    }
  })
})
