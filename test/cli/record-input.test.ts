import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromUtf8 } from '../../src/bytes.ts'
import { type RecordInputOptions, readRecords } from '../../src/cli/record-input.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-input-'))
})
afterAll(() => rm(folder, { recursive: true }))

let files = 0
async function read(content: string, options: RecordInputOptions = {}) {
  const path = join(folder, `${files++}.json`)
  await writeFile(path, content)
  const input = readRecords(path, options)
  const records: string[] = []
  for await (const record of input.records) records.push(fromUtf8(record))
  return { records, place: (record: number) => input.place(record).replace(path, 'FILE') }
}

describe('records in a file', () => {
  it('are its lines, to the byte', async () => {
    const { records } = await read('{"type":"decision","n":1.50}\n {"n":2}\r\n{"n":3}')
    expect(records).toEqual(['{"type":"decision","n":1.50}', ' {"n":2}\r', '{"n":3}'])
  })

  it('are found again by their lines, whatever empty ones are between', async () => {
    const { records, place } = await read('\n{"n":1}\n\n \t\r\n{"n":2}\n{"n":3}\n\n')
    expect(records).toHaveLength(3)
    expect([1, 2, 3].map(place)).toEqual(['line 2 of FILE', 'line 5 of FILE', 'line 6 of FILE'])
  })

  it('can be one document', async () => {
    const { records, place } = await read('{\n  "type": "decision",\n\n  "n": [1,\n2]\n}\n')
    expect(records).toEqual(['{"n":[1,2],"type":"decision"}'])
    expect(place(1)).toBe('record 1 of FILE')
  })

  it.each(['[{"n":1},{"n":2}]', '[\n{"n":1},\n{"n":2}\n]\n'])('can be a list: %j', async (text) => {
    const { records, place } = await read(text)
    expect(records).toEqual(['{"n":1}', '{"n":2}'])
    expect(place(2)).toBe('record 2 of FILE')
  })

  it('are lines if that is said, whatever the first looks like', async () => {
    const { records } = await read('[1]\n{"n":2}\n', { lines: true })
    expect(records).toEqual(['[1]', '{"n":2}'])
  })

  it('are handed on for the log to judge once the first line looks like one', async () => {
    expect((await read('{"n":1,}\nx\n')).records).toEqual(['{"n":1,}', 'x'])
  })

  it.each(['', '\n \n'])('are none in %j', async (text) => {
    expect((await read(text)).records).toEqual([])
  })

  it.each([
    ['hello', /neither JSON lines nor a JSON document: the top level: not JSON at character 1/],
    ['{\n"a":1,\n"a":2}', /\/a: the member is there twice/],
    ['"a"', /holds neither a record nor a list of records/],
    [`{"a":"${'x'.repeat(8_388_608)}"}`, /line 1 of .* is longer than a record may be/],
  ])('are refused: %s', async (text, message) => {
    await expect(read(text)).rejects.toThrow(message)
  })
})
