import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { readLeaf, readLines } from '../../src/cli/input.ts'
import { readFileUpTo } from '../../src/server/bounded-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'cairn-input-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(content: string | Uint8Array): string {
  const path = join(folder, 'input')
  writeFileSync(path, content)
  return path
}

async function lines(content: string | Uint8Array, skipEmpty = false): Promise<string[]> {
  const found: string[] = []
  for await (const leaf of readLines(file(content), { empty: skipEmpty ? 'skip' : 'refuse' })) {
    found.push(Buffer.from(leaf).toString('latin1'))
  }
  return found
}

describe('readLines', () => {
  it('takes the last line with or without its newline', async () => {
    expect(await lines('a\nb\n')).toEqual(['a', 'b'])
    expect(await lines('a\nb')).toEqual(['a', 'b'])
  })

  it('keeps every byte but the newline', async () => {
    expect(await lines(Uint8Array.of(0xff, 13, 10, 0, 9, 10))).toEqual(['\xff\r', '\0\t'])
  })

  it('names an empty line', async () => {
    await expect(lines('a\n\nb')).rejects.toThrow('line 2 of')
    await expect(lines('\n')).rejects.toThrow('line 1 of')
  })

  it('leaves empty lines out when told to', async () => {
    expect(await lines('\na\n\n\nb\n\n', true)).toEqual(['a', 'b'])
  })

  it('names a line that is too long', async () => {
    expect(await lines(`${'x'.repeat(65_535)}\ny`)).toHaveLength(2)
    await expect(lines(`a\n${'x'.repeat(65_536)}\ny`)).rejects.toThrow('line 2 of')
    await expect(lines(`a\n${'x'.repeat(200_000)}`)).rejects.toThrow('line 2 of')
  })

  it('has no leaf in an empty file', async () => {
    expect(await lines('')).toEqual([])
  })

  it('finds the lines that splitting finds, across chunks of the file', async () => {
    const line = fc.stringMatching(/^[a-z]{1,40}$/)
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1, maxLength: 40 }),
        fc.boolean(),
        async (all, end) => {
          expect(await lines(all.join('\n') + (end ? '\n' : ''))).toEqual(all)
        },
      ),
      { numRuns: 40 },
    )
    const long = Array.from({ length: 50 }, (_, i) => String(i).repeat(20_000 + i))
    expect(await lines(long.join('\n'))).toEqual(long)
  })
})

describe('readLeaf', () => {
  it('takes all bytes', async () => {
    expect(await readLeaf(file('a\n'))).toEqual(Uint8Array.of(97, 10))
  })
  it('refuses what is no leaf', async () => {
    await expect(readLeaf(file(''))).rejects.toMatchObject({ code: 'MALFORMED' })
    await expect(readLeaf(file(new Uint8Array(65_536)))).rejects.toMatchObject({
      code: 'TOO_LARGE',
    })
  })
})

describe('readFileUpTo', () => {
  it('reads whole files up to the limit', async () => {
    expect(await readFileUpTo(file('abc'), 3)).toEqual(Uint8Array.of(97, 98, 99))
    await expect(readFileUpTo(file('abcd'), 3)).rejects.toMatchObject({ code: 'TOO_LARGE' })
    expect((await readFileUpTo('/dev/null', 3)).length).toBe(0)
    await expect(readFileUpTo('/dev/zero', 5_000)).rejects.toMatchObject({ code: 'TOO_LARGE' })
  })
  it('says which file cannot be read', async () => {
    const missing = { code: 'ENOENT', path: join(folder, 'no') }
    await expect(readFileUpTo(join(folder, 'no'), 3)).rejects.toMatchObject(missing)
    await expect(readFileUpTo(folder, 3)).rejects.toMatchObject({ code: 'EISDIR', path: folder })
  })
})
