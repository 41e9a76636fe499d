import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeDirectory } from '../../src/storage/make-directory.ts'
import { afterThisTest } from '../support/endings.ts'

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'cairn-make-directory-'))
  afterThisTest(() => rm(made, { recursive: true }))
  return made
}

it('makes a directory with those above it, and leaves one that is there', async () => {
  const path = join(await folder(), 'one', 'two', 'three')
  await makeDirectory(path, 0o700)
  for (const one of [path, join(path, '..')]) expect((await stat(one)).mode % 0o1000).toBe(0o700)
  await makeDirectory(path, 0o755)
  expect((await stat(path)).mode % 0o1000).toBe(0o700)
})

it('says so where none can be made, instead of trying for ever', async () => {
  for (const path of ['/proc/cairn', '/proc/cairn/one/two']) {
    await expect(makeDirectory(path)).rejects.toThrow(
      'no directory can be made in /proc; choose another place',
    )
  }
})

it('takes no file for a directory, and no link to nothing', async () => {
  const place = await folder()
  await writeFile(join(place, 'file'), '')
  await symlink(join(place, 'nowhere'), join(place, 'link'))
  for (const name of ['file', 'link']) {
    await expect(makeDirectory(join(place, name))).rejects.toThrow('EEXIST')
  }
  await expect(makeDirectory(join(place, 'file', 'below'))).rejects.toThrow('ENOTDIR')
})
