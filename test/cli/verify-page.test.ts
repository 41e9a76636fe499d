/** `cairn verify --page`: a copy of the verifier page from one's own program. */
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ROOT } from '../support/sources.ts'
import { cairn } from './run.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-cli-'))
})
afterAll(() => rm(folder, { recursive: true }))

it('writes the page of this version, and its hash', async () => {
  const page = join(folder, 'verifier.html')
  const run = await cairn(['verify', '--page', page])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  const bytes = await readFile(page)
  expect(bytes.equals(await readFile(join(ROOT, 'dist/web/verifier/page.html')))).toBe(true)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  expect(run.stdout).toContain(`SHA-256 ${sha256}`)
  const again = await cairn(['verify', '--page', page, '--json'])
  expect(JSON.parse(again.stdout)).toEqual({ page, bytes: bytes.length, sha256 })
})

it.each([
  [
    'with a file',
    ['a.json', '--page', 'b.html'],
    /^cairn: --page writes a page and checks nothing/,
  ],
  ['with keys', ['--page', 'b.html', '--vkey', 'x'], /^cairn: --page writes a page/],
  ['without either', [], /^cairn: name the file to verify, or the one to write with --page/],
  ['where there is no folder', ['--page', '/nonexistent/b.html'], /ENOENT|no such/],
])('is refused %s', async (_, args, message) => {
  const run = await cairn(['verify', ...args])
  expect(run.code).toBe(2)
  expect(run.stdout).toBe('')
  expect(run.stderr).toMatch(message)
  expect(run.stderr.trimEnd().split('\n').length).toBeLessThan(4)
})
