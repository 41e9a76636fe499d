import { mkdir, readdir, readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectRefusal, temporaryFolder } from './fixture.ts'
import { cairn, cairnProcess } from './run.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeAll(async () => {
  folder = await temporaryFolder()
})
afterAll(() => folder.close())

describe('cairn demo', () => {
  it('goes through, and leaves nothing behind', async () => {
    const temporary = folder.at('tmp')
    await mkdir(temporary)
    const run = await cairnProcess(['demo'], { env: { TMPDIR: temporary } })
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toContain('200 of 200 receipts hold')
    expect(run.stdout.match(/✓ found out/g)).toHaveLength(4)
    expect(run.stdout).toContain('7 records of marta.lindqvist@example.com')
    expect(run.stdout).toMatch(/decision\.outcome +◆ decline/)
    expect(run.stdout).toMatch(/erasure +refused: records of this person are held by case-311/)
    for (const line of run.stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
    expect(await readdir(temporary)).toEqual([])
  })

  it('keeps its log when told to', async () => {
    const run = await cairn(['demo', '--keep', folder.at('demo'), '--json'])
    const { ok, steps, kept } = JSON.parse(run.stdout)
    expect({ ok, kept }).toEqual({ ok: true, kept: folder.at('demo') })
    expect(steps.every((step: { ok: boolean }) => step.ok)).toBe(true)
    expect((await cairn(['audit', folder.at('demo', 'data')])).code).toBe(0)
    const vkey = folder.at('demo', 'data', 'log.vkey')
    const evidence = folder.at('demo', 'req-4711.cairn')
    expect((await cairn(['verify', evidence, '--vkey', vkey])).code).toBe(0)
    const reports = (await readdir(folder.at('demo'))).filter((name) => /^report-/.test(name))
    expect(await readFile(folder.at('demo', reports[0]!), 'utf8')).toMatch(/^<!doctype html>/i)
    expectRefusal(await cairn(['demo', '--keep', folder.at('demo')]), /name a new folder/)
  })
})
