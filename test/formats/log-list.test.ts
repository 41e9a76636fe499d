import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { isLogList, parseLogList } from '../../src/formats/log-list.ts'

const VKEY = 'log.example+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
const LIST = `# comment
logs/v0

# 1st
vkey ${VKEY}
qpd 86400
contact https://log.example/contact

vkey bar.example/tlog+bbbbbbbb+BBBB
origin go.sum database tree
\tqpd 24\t
  contact sysadmin (at) bar.example
`
const parse = (text: string) => parseLogList(utf8(text))
const refusal = (message: RegExp) =>
  expect.objectContaining({ code: 'MALFORMED', message: expect.stringMatching(message) })

describe('a list of logs', () => {
  it('names each log, its key, its rate and whom to ask', () => {
    expect(parse(LIST)).toEqual([
      {
        vkey: VKEY,
        origin: 'log.example',
        requestsPerDay: 86_400,
        contact: 'https://log.example/contact',
      },
      {
        vkey: 'bar.example/tlog+bbbbbbbb+BBBB',
        origin: 'go.sum database tree',
        requestsPerDay: 24,
        contact: 'sysadmin (at) bar.example',
      },
    ])
  })

  it('may be empty, and its last line may lack its end', () => {
    expect(parse('logs/v0\n')).toEqual([])
    expect(parse('logs/v0')).toEqual([])
    expect(parse(`logs/v0\nvkey ${VKEY}\nqpd 1\ncontact c`)).toHaveLength(1)
  })

  it('is read in the time that its length takes, runs of blanks and all', () => {
    const blanks = ' \t'.repeat(200_000)
    const started = performance.now()
    expect(parse(`logs/v0\nvkey a+b+c\nqpd 1\ncontact x${blanks}y${blanks}\n`)[0]?.contact).toBe(
      `x${blanks}y`,
    )
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  it('is told from a file of vkeys by its first line', () => {
    expect(isLogList(LIST)).toBe(true)
    expect(isLogList(`${VKEY}\n`)).toBe(false)
    expect(isLogList('')).toBe(false)
  })

  const of = (...lines: string[]) => ['logs/v0', ...lines, ''].join('\n')
  it.each([
    ['', /does not begin with logs\/v0/],
    ['logs/v1\n', /does not begin with logs\/v0/],
    ['logs/v0 x\n', /does not begin with logs\/v0/],
    [of('origin x'), /line 2: expected vkey/],
    [of('vkey'), /line 2: vkey has no value/],
    [of('vkey x'), /line 2: vkey is not of the form/],
    [of('vkey +x'), /line 2: vkey is not of the form/],
    [of(`vkey ${VKEY} x`), /line 2: vkey is not of the form/],
    [of(`vkey ${VKEY}`), /ends where qpd is expected/],
    [of(`vkey ${VKEY}`, 'contact c'), /line 3: expected qpd/],
    [of(`vkey ${VKEY}`, 'origin'), /line 3: origin has no value/],
    [of(`vkey ${VKEY}`, 'origin x', 'origin x'), /line 4: expected qpd/],
    [of(`vkey ${VKEY}`, 'qpd 0'), /line 3: qpd is 0; it must be from 1/],
    [of(`vkey ${VKEY}`, 'qpd 2147483648'), /line 3: qpd is 2147483648; it must be/],
    [of(`vkey ${VKEY}`, 'qpd 01'), /line 3: qpd/],
    [of(`vkey ${VKEY}`, 'qpd 1 2'), /line 3: qpd/],
    [of(`vkey ${VKEY}`, 'qpd 1\r', 'contact c'), /line 3: qpd/],
    [of(`vkey ${VKEY}`, 'qpd 1'), /ends where contact is expected/],
    [of(`vkey ${VKEY}`, 'qpd 1', 'contact'), /line 4: contact has no value/],
    [of(`vkey ${VKEY}`, 'qpd 1', 'contact c', 'qpd 1'), /line 5: expected vkey/],
    [
      of(`vkey ${VKEY}`, 'qpd 1', 'contact c', 'vkey x+y+z', 'origin log.example', 'qpd 1'),
      /origin log.example twice/,
    ],
  ])('is refused: %j', (text, message) => {
    expect(() => parse(text)).toThrow(refusal(message))
  })

  it('is refused when it is not UTF-8', () => {
    expect(() => parseLogList(Uint8Array.of(0xff))).toThrow(refusal(/UTF-8/))
  })

  it('gives logs or a refusal for any text of its words', () => {
    const word = fc.constantFrom(
      'logs/v0',
      'vkey',
      'origin',
      'qpd',
      'contact',
      VKEY,
      '1',
      ' ',
      '\n',
      '#',
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 40 }), (words) => {
        try {
          const logs = parse(words.join(''))
          expect(new Set(logs.map(({ origin }) => origin)).size).toBe(logs.length)
        } catch (error) {
          expect(error).toBeInstanceOf(CairnError)
        }
      }),
    )
  })
})
