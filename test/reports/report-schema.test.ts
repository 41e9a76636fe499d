/** The JSON Schema of reports. */
import { readFileSync, writeFileSync } from 'node:fs'
import { Compile } from 'typebox/schema'
import { describe, expect, it } from 'vitest'
import type { JsonObject, JsonValue } from '../../src/formats/json-strict.ts'
import { buildReport } from '../../src/reports/build-report.ts'
import { reportSchema } from '../../src/reports/report-schema.ts'
import { reportOf, sampleMonth } from '../support/report-records.ts'

const SAVED = new URL('../../spec/report.schema.json', import.meta.url)
const schema = Compile(reportSchema())

const jsonOf = async (records = sampleMonth(2)): Promise<JsonObject> =>
  JSON.parse(JSON.stringify(await buildReport(reportOf(records)))) as JsonObject

describe('the JSON Schema', () => {
  it('is the document in spec/; UPDATE_SPEC=1 writes it anew', () => {
    const text = `${JSON.stringify(reportSchema(), null, 2)}\n`
    if (process.env.UPDATE_SPEC === '1') writeFileSync(SAVED, text)
    expect(readFileSync(SAVED, 'utf8') === text, 'UPDATE_SPEC=1 npx vitest run this').toBe(true)
  })

  it('accepts reports, that of an empty month among them', async () => {
    expect(schema.Errors(await jsonOf())[1]).toEqual([])
    expect(schema.Errors(await jsonOf([]))[1]).toEqual([])
    const { integrity: _, ...rest } = reportOf([])
    const bare = await buildReport({
      ...rest,
      integrity: { consistency: { outcome: 'unchecked', detail: 'x' } },
    })
    expect(schema.Errors(JSON.parse(JSON.stringify(bare)))[1]).toEqual([])
  })

  it('refuses a report with a member that none has, at any place, or without one that all have', async () => {
    const report = await jsonOf()
    for (const path of pathsOf(report)) {
      // A day has a member for each type, and facts are all optional: nothing to leave out.
      const more = at(report, path, (object) => ({ ...object, foreign: 1 }))
      expect(schema.Check(more), `foreign member in /${path.join('/')}`).toBe(false)
    }
    for (const name of Object.keys(report)) {
      const { [name]: _, ...less } = report
      expect(schema.Check(less), `without ${name}`).toBe(false)
    }
  })
})

type Path = readonly (string | number)[]

/** Of every object in a document. */
function pathsOf(value: JsonValue, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return []
  const below = Array.isArray(value)
    ? value.slice(0, 3).flatMap((item, i) => pathsOf(item, [...path, i]))
    : Object.entries(value).flatMap(([name, member]) => pathsOf(member, [...path, name]))
  return Array.isArray(value) ? below : [path, ...below]
}

/** A copy in which the object at a path is another. */
function at(root: JsonObject, path: Path, change: (object: JsonObject) => JsonObject): JsonObject {
  if (path.length === 0) return change(root)
  const copy = structuredClone(root)
  let frame = copy as Record<string | number, JsonValue>
  for (const step of path.slice(0, -1)) frame = frame[step] as Record<string | number, JsonValue>
  const last = path.at(-1)!
  frame[last] = change(frame[last] as JsonObject)
  return copy
}
