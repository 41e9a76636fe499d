/** `cairn verify` on a folder of everything: a row for each file but receipts, and the verdict of single files on each. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyFile } from '../../src/client/verify-file.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { LOG_KEY } from '../support/example-log.ts'
import { type VerifierCase, verifierCases } from '../support/verifier-cases.ts'
import { expectRefusal } from './fixture.ts'
import { cairn } from './run.ts'

const VKEY = formatVkey(LOG_KEY.vkey)
const SORTS = ['evidence', 'complete-list', 'split-view', 'checkpoint', 'tlog-proof'] as const
const ENDINGS: Readonly<Record<string, string>> = {
  evidence: '.cairn',
  'complete-list': '',
  'split-view': '.split-view',
  checkpoint: '.checkpoint',
  'tlog-proof': '.tlog-proof',
}

let folder: string
const good: VerifierCase[] = []
const bad: VerifierCase[] = []
/** What the library says of the good ones. */
const findings: string[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-folder-'))
  const cases = await verifierCases()
  for (const kind of SORTS) {
    const ofKind = cases.filter((one) => one.kind === kind)
    const verdicts = await Promise.all(
      ofKind.map((one) => verifyFile({ ...one, trust: { logKeys: [LOG_KEY.vkey] } })),
    )
    const held = verdicts.findIndex(({ ok }) => ok)
    good.push(ofKind[held]!)
    findings.push(verdicts[held]!.finding)
    bad.push(ofKind[verdicts.findIndex(({ ok }) => !ok)]!)
  }
})
afterAll(() => rm(folder, { recursive: true }))

async function keep(place: string, some: readonly VerifierCase[], prefix: string): Promise<string> {
  const path = join(folder, place)
  await mkdir(path, { recursive: true })
  for (const one of some) {
    const stem = join(path, `${prefix}-${one.kind}`)
    await writeFile(stem + ENDINGS[one.kind], one.bytes)
    if (one.leaf !== undefined) await writeFile(`${stem}.leaf`, one.leaf)
  }
  return path
}

describe('cairn verify of a folder', () => {
  it('verifies each sort of file in it, and says what each of them proves', async () => {
    const place = await keep('good', good, 'good')
    await writeFile(join(place, 'notes.txt'), 'nothing that is verified')
    await mkdir(join(place, 'more'))
    const run = await cairn(['verify', place, '--vkey', VKEY])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(
      /\nverified: 1 receipt under 1 head, 1 checkpoint, 1 file of evidence, 1 complete list and 1 split view\n$/,
    )
    const flat = run.stdout.replace(/\s+/g, ' ')
    for (const [i, kind] of SORTS.slice(0, 4).entries()) {
      expect(flat).toContain(`✓ good-${kind}${ENDINGS[kind]}`)
      expect(flat.replaceAll(' ', '')).toContain(findings[i]!.replaceAll(' ', ''))
    }
    expect(run.stdout).not.toContain('notes')
    expect(run.stdout).not.toContain('✗')
  })

  it('fails when one of them does, shows it first, and goes on', async () => {
    await keep('both', good, 'good')
    const place = await keep('both', bad, 'bad')
    const run = await cairn(['verify', place, '--vkey', VKEY])
    expect(run).toMatchObject({ code: 1, stderr: '' })
    expect(run.stdout.match(/^ {2}✗ {2}bad-/gm)).toHaveLength(4)
    expect(run.stdout.match(/^ {2}✓ {2}good-/gm)).toHaveLength(4)
    expect(run.stdout.indexOf('✗  bad-')).toBeLessThan(run.stdout.indexOf('✓  good-'))
    expect(run.stdout).toMatch(/\nNOT VERIFIED: 5 of 2 receipts, 2 checkpoints, .* failed\n$/)
    const json = JSON.parse((await cairn(['verify', place, '--vkey', VKEY, '--json'])).stdout)
    expect(json).toMatchObject({
      ok: false,
      receipts: 2,
      checkpoints: 2,
      evidence: 2,
      complete_lists: 2,
      split_views: 2,
      verified: 5,
      failed: 5,
    })
    expect(json.files).toHaveLength(8)
    expect(json.failures).toHaveLength(5)
    for (const one of json.failures) expect(one).toMatchObject({ ok: false })
  })

  it('refuses one with nothing in it that could be verified', async () => {
    const place = join(folder, 'none')
    await mkdir(place)
    await writeFile(join(place, '7.leaf'), 'a leaf alone')
    expectRefusal(await cairn(['verify', place, '--vkey', VKEY]), /has no receipts .* in it/)
  })
})
