import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { canonicalJson } from '../../src/formats/canonical-json.ts'
import type { JsonObject, JsonValue } from '../../src/formats/json-strict.ts'
import { LOG_RECORD_TYPES, RECORD_TYPES } from '../../src/formats/record-members.ts'
import {
  endedBefore,
  formatDuration,
  parseDuration,
  parseRetentionTable,
  type RetentionQuestion,
  type RetentionTable,
  retentionOf,
} from '../../src/formats/retention.ts'
import {
  DEFAULT_RETENTION_DOCUMENT,
  DEFAULT_RETENTION_TABLE,
} from '../../src/formats/retention-table.ts'
import { refusalOf } from '../support/records.ts'
import { readText } from '../support/sources.ts'

const ASKED = { type: 'llm_request', jurisdiction: 'none', table: DEFAULT_RETENTION_TABLE } as const
const retention = (question: Partial<RetentionQuestion>) => retentionOf({ ...ASKED, ...question })
const untilOf = (question: Partial<RetentionQuestion>, time: string) =>
  retention(question).until(new Date(time)).toISOString()

/** A table with a class that is kept for so long. */
function tableOf(keep: string, regimes: Record<string, string> = {}): RetentionTable {
  return parseRetentionTable({
    version: 'cairn-retention/v1',
    regimes: Object.fromEntries(
      Object.entries(regimes).map(([name, time]) => [
        name,
        { title: name, source: name, basis: 'law', keep: time },
      ]),
    ),
    classes: { one: { about: 'one', keep, regimes: Object.keys(regimes) } },
    jurisdictions: { none: { about: 'none', class: 'one' } },
  })
}
const kept = (keep: string, time: string) => untilOf({ table: tableOf(keep) }, time)

describe('how long a record is kept', () => {
  it('ends with the day that has the same number', () => {
    expect(kept('P6M', '2026-11-21T12:00:00.000Z')).toBe('2027-05-22T00:00:00.000Z')
    expect(kept('P6M', '2026-11-21T00:00:00.000Z')).toBe('2027-05-22T00:00:00.000Z')
    expect(kept('P6M', '2026-11-21T23:59:59.999Z')).toBe('2027-05-22T00:00:00.000Z')
    expect(kept('P30D', '2026-12-15T08:00:00.000Z')).toBe('2027-01-15T00:00:00.000Z')
    expect(kept('P1Y6M10D', '2026-11-21T12:00:00.000Z')).toBe('2028-06-01T00:00:00.000Z')
  })

  it.each([
    ['a leap day, into a year without one', 'P1Y', '2028-02-29', '2029-03-01'],
    ['a leap day, into a leap year', 'P4Y', '2028-02-29', '2032-03-01'],
    ['the last day of February, into a leap year', 'P1Y', '2027-02-28', '2028-02-29'],
    ['a leap day, over a century that has none', 'P72Y', '2028-02-29', '2100-03-01'],
    ['a leap day, into 2000-like 2400 after 100 years each', 'P100Y', '2300-02-28', '2400-02-29'],
    ['a day that the last month does not have', 'P1M', '2027-01-31', '2027-03-01'],
    ['the same in a leap year', 'P1M', '2028-01-31', '2028-03-01'],
    ['six months from the end of August', 'P6M', '2026-08-31', '2027-03-01'],
    ['over the end of the year', 'P2M', '2026-11-30', '2027-01-31'],
    ['days after months', 'P1M1D', '2027-01-31', '2027-03-02'],
    ['more months than a year has', 'P18M', '2026-11-21', '2028-05-22'],
    ['the first century', 'P1Y', '0030-06-01', '0031-06-02'],
  ])('is exact: %s', (_, keep, from, until) => {
    expect(kept(keep, `${from}T12:34:56.789Z`)).toBe(`${until}T00:00:00.000Z`)
  })

  it('is never shorter than the calendar says, nor longer than that by more than a day', () => {
    const times = fc.date({
      min: new Date('1970-01-01T00:00:00Z'),
      max: new Date('2500-01-01T00:00:00Z'),
      noInvalidDate: true,
    })
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 1000 }), (time, days) => {
        const end = Date.parse(kept(`P${days}D`, time.toISOString()))
        expect(end - time.getTime()).toBeGreaterThan(days * 86_400_000)
        expect(end - time.getTime()).toBeLessThanOrEqual((days + 1) * 86_400_000)
      }),
    )
    fc.assert(
      fc.property(times, times, fc.integer({ min: 1, max: 60 }), (one, other, months) => {
        const [first, second] = one <= other ? [one, other] : [other, one]
        const table = tableOf(`P${months}M`)
        const { until } = retention({ table })
        expect(until(first).getTime()).toBeLessThanOrEqual(until(second).getTime())
      }),
    )
  })

  it('tells what has ended at a moment, to the day', () => {
    const moments = fc.date({
      min: new Date('1970-01-01T00:00:00Z'),
      max: new Date('2200-01-01T00:00:00Z'),
      noInvalidDate: true,
    })
    const table = tableOf('P1D', { months: 'P6M', days: 'P182D' })
    const kinds = [{ class: 'short' }, { class: 'health', jurisdiction: 'eu' }, { table }]
    fc.assert(
      fc.property(fc.constantFrom(...kinds), moments, (question, now) => {
        const { until } = retention(question)
        const end = endedBefore({ until }, now)
        expect(end.getTime() % 86_400_000).toBe(0)
        expect(until(end) > now).toBe(true)
        if (end.getTime() > 0) expect(until(new Date(end.getTime() - 1)) <= now).toBe(true)
      }),
    )
  })

  it('is the longest of all that apply', () => {
    const time = '2026-11-21T12:00:00.000Z'
    expect(untilOf({ class: 'short' }, time)).toBe('2026-12-22T00:00:00.000Z')
    expect(untilOf({ class: 'short', jurisdiction: 'eu' }, time)).toBe('2027-05-22T00:00:00.000Z')
    expect(untilOf({ class: 'health', jurisdiction: 'eu' }, time)).toBe('2032-11-22T00:00:00.000Z')
    expect(retention({ class: 'health', jurisdiction: 'eu' }).decidedBy(new Date(time))).toEqual([
      'hipaa',
    ])
    expect(retention({ class: 'standard' }).decidedBy(new Date(time))).toEqual([])
  })

  it('depends on the months that it runs through', () => {
    const table = tableOf('P1D', { months: 'P6M', days: 'P182D' })
    const decided = (time: string) => retention({ table }).decidedBy(new Date(time))
    expect(decided('2026-01-01T00:00:00Z')).toEqual(['days'])
    expect(decided('2026-07-01T00:00:00Z')).toEqual(['months'])
    expect(decided('2028-01-01T00:00:00Z')).toEqual(['days', 'months'])
  })

  it('takes the class of the jurisdiction when the record names none', () => {
    expect(retention({ jurisdiction: 'eu' })).toMatchObject({ class: 'standard' })
    expect(retention({ jurisdiction: 'eu', class: 'health' })).toMatchObject({ class: 'health' })
  })

  it('names the regimes that apply to the type, those without a time among them', () => {
    const names = (question: Partial<RetentionQuestion>) =>
      retention(question).regimes.map(({ name }) => name)
    expect(names({ class: 'high-risk-ai' })).toEqual(['eu-ai-act-logs', 'gdpr'])
    expect(names({ class: 'high-risk-ai', type: 'model_training' })).toEqual([
      'eu-ai-act-documentation',
      'eu-ai-act-logs',
      'gdpr',
    ])
    expect(names({ class: 'bank-model' })).toEqual([])
    expect(names({ class: 'bank-model', type: 'decision' })).toEqual(['us-model-risk'])
  })

  it('is not made up for a class or a jurisdiction that the table does not have', () => {
    expect(refusalOf(() => retention({ class: 'nope' }))).toMatch(
      /^MALFORMED \/retention_class: the retention table has no class nope; it has bank-model, /,
    )
    expect(refusalOf(() => retention({ jurisdiction: 'mars' }))).toBe(
      'MALFORMED the retention table has no jurisdiction mars; it has eu, none, us, us-nyc',
    )
    expect(refusalOf(() => retention({ class: '__proto__' }))).toMatch(/no class __proto__/)
  })
})

describe('a duration', () => {
  it.each(['P6M', 'P1Y', 'P1Y6M', 'P30D', 'P1Y2M3D', 'P100Y', 'P18M'])('%s is read', (text) => {
    expect(formatDuration(parseDuration(text))).toBe(text)
  })

  it.each([
    ...['', 'P', 'P0D', 'P06M', 'P1.5Y', 'P-1Y', '1Y', 'p1y', 'P1M1Y', 'PT1H', 'P1W', 'P1Y '],
    ...['P1Y0M', 'P101Y', 'P99Y13M', 'P1201M', 'P36501D', 'P1YT0S', 'P1Y\n'],
  ])('%j is refused', (text) => {
    expect(refusalOf(() => parseDuration(text))).toMatch(/^MALFORMED expected a duration/)
  })
})

describe('a table of retention', () => {
  const text = JSON.stringify(DEFAULT_RETENTION_DOCUMENT)

  it('has a digest that does not depend on how it is written', () => {
    const indented = JSON.stringify(DEFAULT_RETENTION_DOCUMENT, null, 2)
    const canonical = canonicalJson(DEFAULT_RETENTION_DOCUMENT)
    const digest = createHash('sha256').update(canonical).digest('hex')
    expect(parseRetentionTable(indented).digest).toBe(digest)
    expect(DEFAULT_RETENTION_TABLE.digest).toBe(digest)
  })

  it('is read from text, from bytes and from a value', () => {
    expect(parseRetentionTable(text)).toEqual(DEFAULT_RETENTION_TABLE)
    expect(parseRetentionTable(utf8(text))).toEqual(DEFAULT_RETENTION_TABLE)
  })

  const tables = JSON.parse(text) as Record<string, JsonObject>
  /** The default table with a member changed, or without it. */
  function changed(path: readonly (string | number)[], value?: JsonValue): string {
    const copy = structuredClone(tables) as Record<string, unknown>
    let place = copy as Record<string | number, unknown>
    for (const step of path.slice(0, -1)) place = place[step] as Record<string | number, unknown>
    if (value === undefined) delete place[path.at(-1)!]
    else place[path.at(-1)!] = value
    return JSON.stringify(copy)
  }

  it.each<[string, string, RegExp]>([
    ['no JSON', '{', /not JSON|ends where/],
    ['no object', '[]', /the top level: expected an object/],
    ['no version', changed(['version']), /\/version: is missing/],
    ['another version', changed(['version'], 'cairn-retention/v2'), /\/version: expected one of/],
    ['a part that is missing', changed(['classes']), /\/classes: is missing/],
    ['an unknown part', changed(['default'], 1), /\/default: unknown; known here are version/],
    ['a name twice', text.replace('{', '{"classes":{},'), /\/classes: the member is there twice/],
    [
      'an unknown member',
      changed(['regimes', 'gdpr', 'for'], 'P1Y'),
      /\/regimes\/gdpr\/for: unknown/,
    ],
    ['no source', changed(['regimes', 'gdpr', 'source']), /\/regimes\/gdpr\/source: is missing/],
    ['an empty source', changed(['regimes', 'gdpr', 'source'], ''), /source: expected a line/],
    ['an unknown basis', changed(['regimes', 'gdpr', 'basis'], 'rumour'), /basis: expected one of/],
    [
      'a duration',
      changed(['regimes', 'hipaa', 'keep'], '6Y'),
      /\/hipaa\/keep: expected a duration/,
    ],
    ['a number', changed(['classes', 'short', 'keep'], 30), /\/short\/keep: expected a duration/],
    ['too long', changed(['classes', 'short', 'keep'], 'P101Y'), /at most 100 years/],
    ['no duration', changed(['classes', 'short', 'keep']), /\/classes\/short\/keep: is missing/],
    ['a type', changed(['regimes', 'hipaa', 'types'], ['x']), /\/hipaa\/types\/0: expected one of/],
    ['no types', changed(['regimes', 'hipaa', 'types'], []), /\/hipaa\/types: names no type/],
    [
      'a type twice',
      changed(['regimes', 'hipaa', 'types'], ['decision', 'decision']),
      /\/types: names decision twice/,
    ],
    [
      'an unknown regime',
      changed(['classes', 'health', 'regimes'], ['hippa']),
      /\/classes\/health\/regimes\/0: there is no regime hippa in this table/,
    ],
    ['a regime twice', changed(['classes', 'health', 'regimes'], ['gdpr', 'gdpr']), /gdpr twice/],
    ['no list', changed(['classes', 'health', 'regimes'], 'gdpr'), /regimes: expected an array/],
    [
      'an unknown class',
      changed(['jurisdictions', 'eu', 'class'], 'x'),
      /\/jurisdictions\/eu\/class: there is no class x in this table/,
    ],
    [
      'a name',
      changed(['classes', 'a b'], {}),
      /\/classes\/a b: its name must be a name of 1 to 64/,
    ],
    ['a list of classes', changed(['classes'], []), /\/classes: expected an object/],
  ])('is refused: %s', (_, table, message) => {
    const refusal = refusalOf(() => parseRetentionTable(table))
    expect(refusal).toMatch(/^MALFORMED /)
    expect(refusal).toMatch(message)
  })

  it('is bounded', () => {
    expect(refusalOf(() => parseRetentionTable(' '.repeat(262_145)))).toMatch(/^TOO_LARGE /)
    const classes = Object.fromEntries(
      Array.from({ length: 501 }, (_, i) => [`c${i}`, { about: 'c', keep: 'P1Y' }]),
    )
    expect(refusalOf(() => parseRetentionTable({ ...tables, classes }))).toMatch(
      /\/classes: has 501 members; 500 at most/,
    )
  })
})

describe('the default table', () => {
  const page = readText('spec/retention.md')
  const rows = page.split('\n').filter((row) => row.startsWith('| `'))

  it.each([...DEFAULT_RETENTION_TABLE.regimes])(
    'is told in spec/retention.md: %s',
    (name, regime) => {
      const keep = regime.keep === undefined ? '–' : `\`${formatDuration(regime.keep)}\``
      expect(
        rows.some((row) => row.startsWith(`| \`${name}\` | ${keep} | ${regime.basis} |`)),
      ).toBe(true)
      expect(page).toContain(regime.source)
    },
  )

  it.each([...DEFAULT_RETENTION_TABLE.classes])(
    'tells the class %s with its regimes',
    (name, one) => {
      const regimes = one.regimes.map((regime) => `\`${regime}\``).join(', ') || '–'
      expect(rows).toContain(
        `| \`${name}\` | \`${formatDuration(one.keep)}\` | ${regimes} | ${one.about} |`,
      )
    },
  )

  it.each([...DEFAULT_RETENTION_TABLE.jurisdictions])('tells the jurisdiction %s', (name, one) => {
    const regimes = one.regimes.map((regime) => `\`${regime}\``).join(', ') || '–'
    expect(rows).toContain(`| \`${name}\` | \`${one.class}\` | ${regimes} | ${one.about} |`)
  })

  it('comes with an example of a table that is read', () => {
    const example = page.slice(page.indexOf('    {'), page.indexOf('| member |'))
    expect([...parseRetentionTable(example).classes.keys()]).toEqual(['health'])
  })

  it('answers for every class, type and jurisdiction', () => {
    const time = new Date('2026-11-21T12:00:00Z')
    for (const name of DEFAULT_RETENTION_TABLE.classes.keys()) {
      for (const jurisdiction of DEFAULT_RETENTION_TABLE.jurisdictions.keys()) {
        for (const type of [...RECORD_TYPES, ...LOG_RECORD_TYPES]) {
          const { until } = retention({ class: name, jurisdiction, type })
          expect(until(time).getTime()).toBeGreaterThan(time.getTime())
        }
      }
    }
  })
})
