/** `cairn verify` on time-stamps: offline, with words that a lawyer can read, and openssl as a second opinion. */
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sha256 } from '#sha256'
import { utf8 } from '../../src/bytes.ts'
import { ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { formatTimeStampRequest, nonceFrom } from '../../src/formats/time-stamp.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { newFolder, type Place } from '../gossip/heads.ts'
import { checkpointAt, LOG_KEY, ORIGIN } from '../support/example-log.ts'
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
    ['--tsa with a folder', () => ['', ...trusted], /not with a folder/],
  ])('asks for what is missing or does not fit: %s', async (_, args, message) => {
    const [file, ...rest] = args()
    expectRefusal(await cairn(['verify', place.at(file!), ...rest]), message)
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
