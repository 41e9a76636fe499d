/** The part `gossip` of a configuration file: what it may say, and what is refused with which words. */
import { writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CairnError } from '../../src/errors.ts'
import { type Config, loadConfig } from '../../src/server/config.ts'
import { newFolder, type Place } from '../gossip/heads.ts'

let place: Place
beforeEach(async () => {
  place = await newFolder()
})
afterEach(() => place.discard())

async function configOf(gossip: string): Promise<Config> {
  const file = place.at('cairn.yaml')
  await writeFile(file, `data: log\n${gossip}`)
  return loadConfig({ flags: { config: file }, env: {} })
}

/** The part for one sink called `it`. */
function sink(...settings: string[]): string {
  return `gossip:\n  it:\n${settings.map((setting) => `    ${setting}\n`).join('')}`
}

const TSA = ['kind: time-stamp-authority', 'url: https://tsa.example/', 'directory: stamps']

describe('the part gossip', () => {
  it('is not needed', async () => {
    expect((await configOf('')).gossip).toBeUndefined()
    expect((await configOf('gossip: {}')).gossip).toBeUndefined()
  })

  it('names sinks of all kinds, with paths from where the file is', async () => {
    const { gossip } = await configOf(`
gossip:
  stamps:
    kind: time-stamp-authority
    url: https://tsa.example/path?x=1
    directory: stamps
    trust: /etc/tsa.pem
    authorization-file: secrets/tsa
    every-minutes: 60
    every-entries: 1000
    renew: true
    timeout-seconds: 5
  siem:
    kind: syslog
    address: tls://logs.example
    enterprise-number: 55555
    facility: 10
    ca: ca.pem
    certificate: own.pem
    key: own.key
  hook:
    kind: webhook
    url: http://127.0.0.1:1/x
    secret-file: hook.secret
  tape: { kind: file, path: heads.jsonl }
  share: { kind: file, path: heads, format: checkpoints }
  other:
    kind: cairn-log
    url: https://other.example/logs/heads
    directory: receipts
    vkey: other.example/log+4f0a4f3a+AQIDBAUGBwgJ
    token-file: other.token
`)
    const schedule = {
      everyEntries: Number.POSITIVE_INFINITY,
      everyMs: 600_000,
      renew: false,
      timeoutMs: 30_000,
    }
    expect(gossip).toEqual([
      {
        name: 'stamps',
        schedule: { everyEntries: 1000, everyMs: 3_600_000, renew: true, timeoutMs: 5_000 },
        kind: 'time-stamp-authority',
        url: 'https://tsa.example/path?x=1',
        directory: place.at('stamps'),
        trust: '/etc/tsa.pem',
        authorizationFile: place.at('secrets/tsa'),
      },
      {
        name: 'siem',
        schedule,
        kind: 'syslog',
        address: { transport: 'tls', host: 'logs.example', port: 6514 },
        facility: 10,
        enterpriseNumber: 55_555,
        ca: place.at('ca.pem'),
        client: { certificate: place.at('own.pem'), key: place.at('own.key') },
      },
      {
        name: 'hook',
        schedule,
        kind: 'webhook',
        url: 'http://127.0.0.1:1/x',
        secretFile: place.at('hook.secret'),
      },
      { name: 'tape', schedule, kind: 'file', path: place.at('heads.jsonl'), format: 'lines' },
      { name: 'share', schedule, kind: 'file', path: place.at('heads'), format: 'checkpoints' },
      {
        name: 'other',
        schedule,
        kind: 'cairn-log',
        url: 'https://other.example/logs/heads',
        directory: place.at('receipts'),
        vkey: 'other.example/log+4f0a4f3a+AQIDBAUGBwgJ',
        tokenFile: place.at('other.token'),
      },
    ])
  })

  it('can belong to any log', async () => {
    const { gossip, logs } = await configOf(
      `logs:\n  pay:\n    data: pay\n    gossip:\n      a: { kind: file, path: a }\n`,
    )
    expect(gossip).toBeUndefined()
    expect(logs.get('pay')?.gossip).toMatchObject([{ name: 'a', path: place.at('a') }])
  })

  it.each<[string, string, RegExp]>([
    ['no sinks by name', 'gossip: 7', /"gossip" in .* does not hold gossip by name/],
    [
      'a sink that is none',
      'gossip:\n  it: here',
      /"gossip\.it" in .* does not hold settings by name/,
    ],
    [
      'a name with a path',
      'gossip:\n  ../up: { kind: file, path: x }',
      /"gossip" has an unusable name.*"\.\.\/up"/,
    ],
    [
      'a name in capitals',
      'gossip:\n  Up: { kind: file, path: x }',
      /"gossip" has an unusable name/,
    ],
    ['no kind', sink('path: x'), /"gossip\.it\.kind" in .* is missing/],
    [
      'an unknown kind',
      sink('kind: fax'),
      /"gossip\.it\.kind" is one of time-stamp-authority, syslog, webhook, file, cairn-log, not "fax"/,
    ],
    ['a kind of an object', sink('kind: toString'), /"gossip\.it\.kind" is one of/],
    [
      'an unknown setting',
      sink('kind: file', 'paht: x'),
      /"gossip\.it\.paht" in .* is not a setting; did you mean path\?/,
    ],
    [
      "another kind's setting",
      sink('kind: file', 'path: x', 'url: http://x'),
      /"gossip\.it\.url" does not go with the kind file, which has path, format, every-entries/,
    ],
    ['no url', sink('kind: webhook'), /"gossip\.it\.url" is missing/],
    ['no path', sink('kind: file'), /"gossip\.it\.path" is missing/],
    ['nobody to trust', sink(...TSA), /"gossip\.it\.trust" is missing/],
    ['no address', sink('kind: syslog'), /"gossip\.it\.address" is missing/],
    [
      'another scheme',
      sink('kind: webhook', 'url: ftp://x'),
      /"gossip\.it\.url" begins with http:\/\/ or https:\/\/, not "ftp:\/\/x"/,
    ],
    ['no address at all', sink('kind: webhook', 'url: here'), /"gossip\.it\.url" begins with http/],
    [
      'a password',
      sink('kind: webhook', 'url: https://me:pw@x'),
      /"gossip\.it\.url" has a user or a password in it/,
    ],
    [
      'a bad receiver',
      sink('kind: syslog', 'address: x:514'),
      /"gossip\.it\.address": 'x:514' is no address of a syslog receiver/,
    ],
    [
      'TLS files without TLS',
      sink('kind: syslog', 'address: tcp://x', 'ca: ca.pem'),
      /go with tls:\/\/ only/,
    ],
    [
      'half of a pair',
      sink('kind: syslog', 'address: tls://x', 'key: k'),
      /one of certificate and key/,
    ],
    [
      'a facility too high',
      sink('kind: syslog', 'address: udp://x', 'facility: 24'),
      /"gossip\.it\.facility" in .* must be <= 23/,
    ],
    [
      'a number for documentation',
      sink('kind: syslog', 'address: udp://x', 'enterprise-number: 32473'),
      /32473, which is for documentation \(RFC 5612\)/,
    ],
    [
      'another format',
      sink('kind: file', 'path: x', 'format: xml'),
      /"gossip\.it\.format" is lines or checkpoints, not "xml"/,
    ],
    [
      'no pause at all',
      sink('kind: file', 'path: x', 'every-minutes: 0'),
      /"gossip\.it\.every-minutes" in .* must be >= 1/,
    ],
    [
      'a number as text',
      sink('kind: file', 'path: x', 'every-entries: many'),
      /"gossip\.it\.every-entries" in .* must be integer/,
    ],
    [
      'no yes or no',
      sink('kind: file', 'path: x', 'renew: often'),
      /"gossip\.it\.renew" in .* must be boolean/,
    ],
    ['an empty path', sink('kind: file', 'path: ""'), /"gossip\.it\.path"/],
  ])('is refused with %s', async (_, gossip, message) => {
    const error = await configOf(gossip).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CairnError)
    expect((error as CairnError).message).toMatch(message)
    expect((error as CairnError).code).toBe('USAGE')
  })

  it('names the log that a mistake is in', async () => {
    const logs = `logs:\n  pay:\n    data: pay\n    gossip:\n      a: { kind: file }\n`
    await expect(configOf(logs)).rejects.toThrow('"logs.pay.gossip.a.path" is missing')
  })

  it('has no flag and no variable', async () => {
    const flags = { data: 'x', gossip: 'y' }
    await expect(loadConfig({ flags, env: {} })).rejects.toThrow('--gossip is not a setting')
    const env = { CAIRN_GOSSIP: 'y' }
    await expect(loadConfig({ flags: { data: 'x' }, env })).rejects.toThrow(/CAIRN_GOSSIP is not/)
  })
})
