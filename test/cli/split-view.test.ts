import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatSplitView } from '../../src/formats/split-view.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { compareHeads } from '../../src/tiles/split-view.ts'
import { countingTree } from '../merkle/naive.ts'
import { FORKED_KEY, forkedTree, headOf } from '../support/forked-log.ts'
import { treeSource } from '../tiles/tree-source.ts'
import { expectRefusal, type Fixture, temporaryFolder } from './fixture.ts'
import { cairn } from './run.ts'

const VKEY = formatVkey(FORKED_KEY.vkey)
const OTHER_VKEY = 'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx'

let folder: Pick<Fixture, 'at' | 'close'>
let file: string
let text: string
beforeAll(async () => {
  folder = await temporaryFolder()
  file = folder.at('fork.split-view')
  const honest = countingTree()
  const result = await compareHeads(
    headOf(forkedTree(3), 7),
    headOf(honest, 12),
    treeSource(honest, 12),
  )
  if (result.kind === 'consistent') throw new Error('the heads are consistent')
  text = formatSplitView(result.evidence)
  await writeFile(file, text)
})
afterAll(() => folder.close())

describe('cairn verify of a split view', () => {
  it('confirms it in words, and ends well', async () => {
    const run = await cairn(['verify', file, '--vkey', VKEY])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toContain(`${file}: split view of forked.example/log`)
    for (const name of ['format', 'one log', 'log signature', 'contradiction'])
      expect(run.stdout).toContain(`  ✓  ${name}`)
    expect(run.stdout.trimEnd().split('\n').at(-1)).toBe(
      'confirmed: forked.example/log signed two trees that cannot both be true: the first 7 ' +
        'leaves under its head of 12 are not those it signed as its head of 7',
    )
  })

  it('prints JSON when told to', async () => {
    const run = await cairn(['verify', file, '--vkey', VKEY, '--json'])
    expect(run.code).toBe(0)
    const hex = expect.stringMatching(/^[0-9a-f]{64}$/)
    expect(JSON.parse(run.stdout)).toMatchObject({
      file,
      kind: 'split-view',
      ok: true,
      origin: 'forked.example/log',
      heads: [
        { size: 7, root: hex },
        { size: 12, root: hex },
      ],
      finding: expect.stringContaining('cannot both be true'),
    })
  })

  it('does not confirm it for another log', async () => {
    const run = await cairn(['verify', file, '--vkey', OTHER_VKEY])
    expect(run).toMatchObject({ code: 1, stderr: '' })
    expect(run.stdout).toContain('  ✗  log signature')
    expect(run.stdout).toContain('NOT CONFIRMED')
  })

  it.each([
    ['a changed byte', (good: string) => good.replace('\n12\n', '\n13\n')],
    ['another version', (good: string) => good.replace('/v1', '/v2')],
    ['nothing but the first line', () => 'cairn-split-view/v1\n'],
  ])('does not confirm a file with %s', async (_, change) => {
    const bad = folder.at('bad.split-view')
    await writeFile(bad, change(text))
    const run = await cairn(['verify', bad, '--vkey', VKEY, '--json'])
    expect(run).toMatchObject({ code: 1, stderr: '' })
    const { ok, kind, checks, origin } = JSON.parse(run.stdout)
    expect({ ok, kind, origin }).toEqual({ ok: false, kind: 'split-view', origin: undefined })
    expect(checks[0]).toMatchObject({ name: 'format', status: 'failed' })
  })

  it('takes no leaf', async () => {
    expectRefusal(await cairn(['verify', file, '--vkey', VKEY, '--leaf', file]), /--leaf goes with/)
  })
})
