/** `cairn verify` on the table of files: word for word what the library says, in text that is safe to show. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verdictJson } from '../../src/client/verdict-json.ts'
import { verifyFile } from '../../src/client/verify-file.ts'
import { trustOf, type VerifierCase, verifierCases } from '../support/verifier-cases.ts'
import { cairn } from './run.ts'

let folder: string
let cases: readonly VerifierCase[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-table-'))
  cases = await verifierCases()
})
afterAll(() => rm(folder, { recursive: true }))

/** Writes a case into a folder of its own, and gives the command line for it. */
async function argsFor(one: VerifierCase, i: number): Promise<string[]> {
  const place = join(folder, String(i))
  await mkdir(place)
  const file = join(place, one.file)
  await writeFile(file, one.bytes)
  const flags: string[] = one.vkeys.flatMap((vkey) => ['--vkey', vkey])
  const beside = { leaf: one.leaf, data: one.data, tsa: one.authorities, policy: one.policy }
  for (const [flag, content] of Object.entries(beside)) {
    if (content === undefined) continue
    const other = join(place, `its.${flag}`)
    await writeFile(other, content)
    flags.push(`--${flag}`, other)
  }
  return ['verify', file, ...flags]
}

describe('cairn verify', () => {
  it('gives the verdicts of the library', async () => {
    for (const [i, one] of cases.entries()) {
      const args = await argsFor(one, i)
      const run = await cairn([...args, '--json'])
      expect(run.stderr, one.name).toBe('')
      const { file, data, ...verdict } = JSON.parse(run.stdout)
      const expected = verdictJson(await verifyFile({ ...one, trust: trustOf(one) }))
      expect(verdict, one.name).toEqual(JSON.parse(JSON.stringify(expected)))
      expect(file, one.name).toBe(args[1])
      expect(run.code, one.name).toBe(one.ok ? 0 : 1)
    }
  }, 60_000)

  it('shows none of what steers a terminal, and keeps markup out of the markup of its reports', async () => {
    const hostile = cases.filter(({ name }) => /markup|wrong kind/.test(name))
    expect(hostile.length).toBeGreaterThan(25)
    for (const [i, one] of hostile.entries()) {
      const args = await argsFor(one, cases.length + i)
      const report = join(folder, `${i}.html`)
      const run = await cairn([...args, '--report', report])
      expect(run.code, one.name).toBe(one.ok ? 0 : 1)
      expect(run.stdout, one.name).toMatch(/^(\P{C}|\n)+$/u)
      const page = await readFile(report, 'utf8')
      expect(tagsOf(page), one.name).toEqual(tagsOf(page).filter((tag) => PLAIN.test(tag)))
      expect(page, one.name).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u)
    }
  })
})

/** Tags of our own, with nothing in them that runs, loads or leads anywhere. */
const PLAIN =
  /^<(!doctype html|(html|meta|dl|dt|dd|div|span|p|h1|h2|section|table|caption|thead|tbody|tr|th|td|svg|path|strong|br|header|main|footer|head|body|title|style)( (lang|charset|http-equiv|content|name|class|id|role|tabindex|aria-label|aria-labelledby|aria-hidden|viewBox|d|scope)="[^"<>]*")*\/?|\/\w+)>$/

function tagsOf(page: string): string[] {
  return page.replace(/<style>[^<]*<\/style>/, '').match(/<[^>]*>?/g) ?? []
}
