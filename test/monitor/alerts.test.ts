/** What else can be wrong with logs and witnesses: each condition begins, lasts and ends, and is said twice at most. */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { originHash } from '../../src/client/witness-client.ts'
import { encodeBundle } from '../../src/formats/bundle.ts'
import { formatNote, parseNote } from '../../src/formats/note.ts'
import { cosigningKey, ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { targetsOf } from '../../src/monitor/target.ts'
import {
  at,
  type Front,
  folder,
  frontOf,
  type Handler,
  kindsOf,
  newRealWitness,
  newTreeLog,
  policyWith,
  said,
  saying,
  until,
  useScene,
  type Watching,
  watch,
} from './scene.ts'
import type { TreeLog } from './tree-log.ts'

useScene()

/** A log of some entries behind a front, and a monitor that knows it. */
async function followed(entries = 10): Promise<{ log: TreeLog; front: Front; watching: Watching }> {
  const log = await newTreeLog()
  log.append(entries)
  const front = await frontOf(log.url)
  const watching = await watch({ logs: at(front.url, log) })
  expect(await watching.round()).toEqual([])
  return { log, front, watching }
}

/** Two rounds with the condition and one without: said when it begins and when it ends. */
async function expectOnce(watching: Watching, kind: string, end: () => void): Promise<string> {
  const before = watching.events.length
  const alerts = await watching.round()
  expect(kindsOf(alerts)).toEqual([kind])
  expect(kindsOf(await watching.round())).toEqual([kind])
  end()
  expect(await watching.round()).toEqual([])
  const news = said(watching.events.slice(before)).filter((text) => !text.startsWith('head'))
  expect(news).toEqual([`alert ${kind}`, `cleared ${kind}`])
  return alerts[0]!.message
}

const endless: Handler = (_, response) => {
  response.writeHead(200)
  const more = (): void => {
    while (!response.destroyed && response.write('x'.repeat(65_536)));
  }
  response.on('drain', more)
  more()
}

const stuck: Handler = (_, response) => {
  response.writeHead(200)
  response.write('tree.example/log\n')
}

/** A page that a proxy, a sign-in or a parked domain answers with. */
const PAGE = '<!doctype html><title>Welcome</title><p>Nothing to see\n\n— here</p>\n'

describe('a checkpoint that is none', () => {
  it.each<[string, string, Handler, RegExp]>([
    [
      'a page',
      'bad-checkpoint',
      saying(PAGE, 200, { 'content-type': 'text/html' }),
      /no checkpoint/,
    ],
    ['nothing', 'bad-checkpoint', saying(''), /no checkpoint/],
    ['bytes', 'bad-checkpoint', saying(Uint8Array.of(0xff, 0xfe, 0)), /not valid UTF-8/],
    ['an endless answer', 'bad-checkpoint', endless, /larger than/],
    ['not found', 'bad-checkpoint', saying('no', 404), /404/],
    ['a failure', 'unreachable', saying('no', 500), /500/],
    ['a redirect', 'unreachable', saying('', 302, { location: 'https://x.example/' }), /redirects/],
    ['silence', 'unreachable', () => {}, /did not answer in time/],
    ['an answer that never ends', 'unreachable', stuck, /did not answer in time/],
    ['a cut', 'unreachable', (_, response) => response.destroy(), /cannot reach/],
    ['a demand for a token', 'unreachable', saying('who are you?', 401), /401/],
  ])('%s', async (_, kind, handler, words) => {
    const { front, watching } = await followed()
    front.instead.set('/checkpoint', handler)
    const message = await expectOnce(watching, kind, () => front.instead.clear())
    expect(message).toMatch(words)
  })
})

describe('a head with a bad signature', () => {
  it.each<[string, (note: string) => string]>([
    ['a changed root', (note) => note.replace(/\n[\w+/]{8}/, '\nAAAAAAAA')],
    ['a changed size', (note) => note.replace(/\n10\n/, '\n11\n')],
    ['another log', () => strange('another.example/log')],
    ['another key', () => strange('tree.example/log')],
    ['no known signature', (note) => note.replaceAll(/(?<=— )\S+/g, 'someone.else')],
  ])('%s', async (_, change) => {
    const { log, front, watching } = await followed()
    front.instead.set('/checkpoint', saying(change(log.note())))
    await expectOnce(watching, 'bad-signature', () => front.instead.clear())
    expect(watching.monitor.alerts()).toEqual([])
  })

  it('counts for the log although a witness signature beside it is broken', async () => {
    const log = await newTreeLog()
    log.append(10)
    const key = cosigningKey('w.example', new Uint8Array(32).fill(7), 'ed25519-cosignature')
    const front = await frontOf(log.url)
    const { text, signatures } = parseNote(utf8(log.note()))
    const line = key.cosign(text, 1_700_000_000)
    const broken = { ...line, signature: line.signature.with(20, line.signature[20]! ^ 1) }
    front.instead.set(
      '/checkpoint',
      saying(formatNote({ text, signatures: [...signatures, broken] })),
    )
    const policy = { ...policyWith([]), witnesses: [{ name: 'w', key: key.vkey }] }
    const watching = await watch({ logs: at(front.url, log), policy })
    expect(kindsOf(await watching.round())).toEqual(['bad-signature'])
    expect(said(watching.events)).toEqual(['alert bad-signature', 'head 10'])
  })
})

function strange(origin: string): string {
  const key = ed25519SigningKey(origin, new Uint8Array(32).fill(9))
  const text = `${origin}\n10\n${'A'.repeat(43)}=\n`
  return formatNote({ text, signatures: [key.sign(text)] })
}

describe('entries and tiles', () => {
  it('that are wrong are told from those that are missing, and which one is wrong', async () => {
    const { log, front, watching } = await followed(300)
    log.append(300)
    const bundle = log.bundle(1, 256)
    const changed = bundle.slice()
    changed[changed.length - 1]! ^= 1
    front.instead.set('/tile/entries/001', saying(changed))
    const message = await expectOnce(watching, 'wrong-entries', () => front.instead.clear())
    expect(message).toContain('entry 511 does not hash to its place')
    expect(watching.events.findLast(({ event }) => event === 'head')).toMatchObject({
      size: 600,
      newEntries: 300,
    })
  })

  it('that are not what they were before are wrong', async () => {
    const { log, front, watching } = await followed(300)
    log.append(10)
    const bundle = log.bundle(1, 54)
    bundle[2]! ^= 1
    front.instead.set('/tile/entries/001.p/54', saying(bundle))
    expect(await expectOnce(watching, 'wrong-entries', () => front.instead.clear())).toContain(
      'entry 256 is not what it was',
    )
  })

  it('that are both wrong are said to be', async () => {
    const { log, front, watching } = await followed(10)
    log.append(10)
    front.instead.set('/tile/entries/000.p/20', saying(encodeBundle(Array(20).fill(utf8('x')))))
    front.instead.set('/tile/0/000.p/20', saying(new Uint8Array(640)))
    // The first ten are known, so that these are no more than wrong.
    expect(await expectOnce(watching, 'wrong-entries', () => front.instead.clear())).toMatch(
      /entry 0 is not what it was/,
    )
  })

  it.each<[string, string, string, Handler, RegExp]>([
    [
      'a bundle that is missing',
      '/tile/entries/000.p/20',
      'missing-tiles',
      saying('', 404),
      /000\.p\/20/,
    ],
    [
      'a bundle that is empty',
      '/tile/entries/000.p/20',
      'missing-tiles',
      saying(''),
      /ends before/,
    ],
    [
      'a bundle that is a page',
      '/tile/entries/000.p/20',
      'missing-tiles',
      saying(PAGE),
      /cannot be read/,
    ],
    ['an endless bundle', '/tile/entries/000.p/20', 'missing-tiles', endless, /larger than/],
    ['a bundle that never ends', '/tile/entries/000.p/20', 'unreachable', stuck, /in time/],
    ['a bundle that fails', '/tile/entries/000.p/20', 'unreachable', saying('', 500), /500/],
    [
      'a redirected bundle',
      '/tile/entries/000.p/20',
      'unreachable',
      saying('', 301, { location: '/x' }),
      /redirects/,
    ],
  ])('%s keeps the head from being followed', async (_, path, kind, handler, words) => {
    const { log, front, watching } = await followed(10)
    log.append(10)
    front.instead.set(path, handler)
    const message = await expectOnce(watching, kind, () => front.instead.clear())
    expect(message).toMatch(/cannot be followed/)
    expect(message).toMatch(words)
  })

  it.each<[string, Handler]>([
    ['missing', saying('', 404)],
    ['too short', saying(new Uint8Array(31))],
    ['too long', saying(new Uint8Array(700))],
    ['a page', saying(PAGE)],
    ['wrong', saying(new Uint8Array(640))],
  ])('a tile that is %s does not, but is an alert', async (_, handler) => {
    const { log, front, watching } = await followed(10)
    log.append(10)
    front.instead.set('/tile/0/000.p/20', handler)
    expect(kindsOf(await watching.round())).toEqual(['missing-tiles'])
    expect(kindsOf(await watching.round())).toEqual(['missing-tiles'])
    expect(said(watching.events)).toEqual(['head 10', 'head 20', 'alert missing-tiles'])
    front.instead.clear()
    expect(await watching.round()).toEqual([])
  })

  it.each([401, 403])(
    'that are not for everybody (%i) are followed by their hashes',
    async (status) => {
      const log = await newTreeLog()
      log.append(300)
      const front = await frontOf(log.url)
      front.instead.set('*', async (request, response) => {
        if (request.url?.startsWith('/tile/entries/')) return void response.writeHead(status).end()
        const answer = await fetch(log.url + request.url)
        response.writeHead(answer.status).end(new Uint8Array(await answer.arrayBuffer()))
      })
      const watching = await watch({ logs: at(front.url, log) })
      expect(await watching.round()).toEqual([])
      log.append(300)
      expect(await watching.round()).toEqual([])
      expect(watching.events.filter(({ event }) => event === 'head')).toMatchObject([
        { size: 300, entries: 'hashes' },
        { size: 600, entries: 'hashes' },
      ])
      const later = await watching.again()
      await later.round()
      expect(later.events.at(-1)).toMatchObject({ logs: [{ entries: 'hashes' }] })
    },
  )
})

describe('a log that goes back', () => {
  it('is told from one that forks', async () => {
    const log = await newTreeLog()
    log.append(10)
    const front = await frontOf(log.url)
    const older = log.note()
    log.append(10)
    const watching = await watch({ logs: at(front.url, log) })
    await watching.round()
    front.instead.set('/checkpoint', saying(older))
    expect(await expectOnce(watching, 'rollback', () => front.instead.clear())).toMatch(
      /went back: it shows 10 entries .* and has shown 20 before/,
    )
  })

  it('is found by what a witness has seen, once it had its time', async () => {
    let now = Date.now()
    const log = await newTreeLog()
    log.append(10)
    const front = await frontOf(log.url)
    const older = log.note()
    log.append(10)
    const witness = await newRealWitness('w.example', log, () => now)
    await witness.cosign(log)
    front.instead.set('/checkpoint', saying(older))
    const watching = await watch({
      logs: at(front.url, log),
      policy: policyWith([witness]),
      now: () => now,
    })
    expect(await watching.round()).toEqual([])
    now += 3_601_000
    await witness.cosign(log)
    expect(await expectOnce(watching, 'withheld-head', () => front.instead.clear())).toMatch(
      /signed a tree of 20 entries, seen at w.example 60 minutes ago, and shows 10/,
    )
  })
})

describe('witnesses', () => {
  async function witnessed() {
    let now = Date.now()
    const log = await newTreeLog()
    log.append(10)
    const witness = await newRealWitness('w.example', log, () => now)
    const front = await frontOf(witness.url)
    await witness.cosign(log)
    const watching = await watch({
      logs: at(log.url, log),
      policy: policyWith([{ ...witness, url: front.url }]),
      limits: { maxLag: 100 },
      now: () => now,
    })
    expect(await watching.round()).toEqual([])
    const wait = (ms: number): void => {
      now += ms
    }
    return { log, witness, front, watching, wait, path: `/${originHash(log.origin)}/checkpoint` }
  }

  it.each<[string, string, Handler, RegExp]>([
    ['a page', 'bad-witness', saying(PAGE), /cannot be trusted/],
    ['an endless answer', 'bad-witness', endless, /larger than/],
    ['silence', 'witness-unreachable', () => {}, /in time/],
    ['a failure', 'witness-unreachable', saying('', 500), /500/],
    ['a redirect', 'witness-unreachable', saying('', 302, { location: '/' }), /redirects/],
    ['nothing where there was a head', 'witness-rollback', saying('', 404), /no head .* any more/],
  ])('that answer with %s', async (_, kind, handler, words) => {
    const { front, watching, path } = await witnessed()
    front.instead.set(path, handler)
    expect(await expectOnce(watching, kind, () => front.instead.clear())).toMatch(words)
  })

  it('that show a head without their signature, or of another log', async () => {
    const { log, front, watching, path } = await witnessed()
    front.instead.set(path, saying(log.note()))
    expect(await expectOnce(watching, 'bad-witness', () => front.instead.clear())).toContain(
      'no cosignature by a known key of w.example',
    )
    front.instead.set(path, saying(strange('another.example/log')))
    await expectOnce(watching, 'bad-witness', () => front.instead.clear())
  })

  it('that fall asleep', async () => {
    const { log, witness, watching, wait } = await witnessed()
    wait(3_601_000)
    const alerts = await watching.round()
    expect(kindsOf(alerts)).toEqual(['stale-cosignature'])
    expect(alerts[0]?.message).toContain('60 minutes ago')
    await witness.cosign(log)
    expect(await watching.round()).toEqual([])
  })

  it('whose clock is ahead', async () => {
    const { log, witness, watching, wait } = await witnessed()
    wait(7_200_000)
    await witness.cosign(log)
    wait(-7_200_000)
    const alerts = await watching.round()
    expect(alerts).toMatchObject([{ kind: 'stale-cosignature', message: /2 hours ahead/ }])
    wait(7_200_000)
    expect(await watching.round()).toEqual([])
  })

  it('that are too far behind', async () => {
    const { log, witness, watching } = await witnessed()
    log.append(101)
    const alerts = await watching.round()
    expect(alerts).toMatchObject([{ kind: 'lagging', source: 'w.example' }])
    await witness.cosign(log)
    expect(await watching.round()).toEqual([])
  })

  it('that go back', async () => {
    const { log, witness, front, watching, path } = await witnessed()
    const older = await (await fetch(witness.url + path)).text()
    log.append(10)
    await witness.cosign(log)
    await watching.round()
    front.instead.set(path, saying(older))
    expect(await expectOnce(watching, 'witness-rollback', () => front.instead.clear())).toMatch(
      /the witness w.example went back: it shows 10 .* and has shown 20/,
    )
  })

  it('that never cosigned a log are no alert, and that is shown', async () => {
    const log = await newTreeLog()
    const witness = await newRealWitness('w.example', log)
    const watching = await watch({ logs: at(log.url, log), policy: policyWith([witness]) })
    expect(await watching.round()).toEqual([])
    expect(watching.events.at(-1)).toMatchObject({
      logs: [{ places: [{ role: 'log' }, { role: 'witness', size: undefined, alerts: [] }] }],
    })
  })

  it('are asked once at an address, however many keys they have', async () => {
    const { log, witness, front } = await witnessed()
    const other = cosigningKey('other.example', new Uint8Array(32).fill(5), 'ed25519-cosignature')
    const policy = policyWith([{ ...witness, url: front.url }])
    const both = [...policy.witnesses, { name: 'other', key: other.vkey, url: `${front.url}/` }]
    const watching = await watch({
      logs: at(log.url, log),
      policy: { ...policy, witnesses: both },
      state: `${folder}/other`,
    })
    front.seen.length = 0
    expect(await watching.round()).toEqual([])
    expect(front.seen).toHaveLength(1)
  })

  it('are demanded on the head when the policy says so', async () => {
    const log = await newTreeLog()
    log.append(10)
    const witness = await newRealWitness('w.example', log)
    await witness.cosign(log)
    const front = await frontOf(log.url)
    const watching = await watch({
      logs: at(front.url, log),
      policy: policyWith([witness], 'w.example'),
    })
    const alerts = await watching.round()
    expect(alerts).toMatchObject([{ kind: 'no-quorum', source: front.url }])
    const cosigned = await fetch(`${witness.url}/${originHash(log.origin)}/checkpoint`)
    front.instead.set('/checkpoint', saying(await cosigned.text()))
    expect(await watching.round()).toEqual([])
  })
})

describe('heads that do not change', () => {
  it('are no alert unless an age was given, since an idle log is not at fault', async () => {
    let now = Date.now()
    const log = await newTreeLog()
    log.append(10)
    const logs = at(log.url, log)
    const watching = await watch({ logs, now: () => now })
    await watching.round()
    now += 86_400_000
    expect(await watching.round()).toEqual([])
    const strict = await watching.again({ limits: { maxAgeMs: 3_600_000, maxIdleMs: 3_600_000 } })
    const alerts = await strict.round()
    expect(alerts).toMatchObject([{ kind: 'stale-head', message: /the same head for 24 hours/ }])
    log.append(1)
    expect(await strict.round()).toEqual([])
  })

  it('are an alert when their cosignatures are old', async () => {
    let now = Date.now()
    const log = await newTreeLog()
    log.append(10)
    const witness = await newRealWitness('w.example', log, () => now)
    await witness.cosign(log)
    const path = `/${originHash(log.origin)}/checkpoint`
    const front = await frontOf(log.url)
    front.instead.set('/checkpoint', saying(await (await fetch(witness.url + path)).text()))
    const policy = { ...policyWith([witness]), quorum: undefined }
    const watching = await watch({ logs: at(front.url, log), policy, now: () => now })
    expect(await watching.round()).toEqual([])
    now += 3_700_000
    await witness.cosign(log)
    expect(kindsOf(await watching.round())).toEqual(['stale-head'])
  })
})

describe('many logs', () => {
  it('are followed at the same time, and a slow one holds up nobody but itself', async () => {
    const one = await newTreeLog()
    const two = await newTreeLog('slow.example/log')
    one.append(10)
    const slow = await frontOf(two.url)
    slow.instead.set('/checkpoint', () => {})
    const watching = await watch({ logs: [...at(one.url, one), ...at(slow.url, two)] })
    const { logs: reports, durationMs } = await watching.monitor.round()
    expect(reports).toMatchObject([
      { origin: one.origin, size: 10, alerts: [] },
      { origin: 'slow.example/log', size: 0, alerts: [{ kind: 'unreachable' }] },
    ])
    expect(durationMs).toBeLessThan(5_000)
  })

  it.each([
    ['ftp://log.example', /begins with http/],
    ['file:///etc', /begins with http/],
    ['log.example', /is not the address/],
    ['https://user@log.example', /has no user/],
    ['https://log.example/?a=b', /has no user, query/],
  ])('are not fetched from %s', async (url, words) => {
    const { vkey } = ed25519SigningKey('log.example', new Uint8Array(32))
    expect(() => targetsOf([{ key: vkey, url }])).toThrow(words)
    const witness = { name: 'w', key: vkey, url }
    const policy = { logs: [], witnesses: [witness], groups: [], quorum: undefined }
    expect(() => targetsOf([{ key: vkey, url: 'https://a.example' }], policy)).toThrow(words)
  })

  it('need an address each', () => {
    const { vkey } = ed25519SigningKey('log.example', new Uint8Array(32))
    expect(() => targetsOf([{ key: vkey }])).toThrow(/no address for the log log.example/)
  })
})

describe('a webhook', () => {
  let close: (() => void) | undefined
  afterEach(() => close?.())

  async function hook(...statuses: number[]) {
    const bodies: Record<string, unknown>[] = []
    let calls = 0
    const server = createServer(async (request: IncomingMessage, response) => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part as Buffer)
      const status = statuses[Math.min(calls++, statuses.length - 1)]!
      if (status === 200) bodies.push(JSON.parse(Buffer.concat(parts).toString()))
      response.writeHead(status).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    close = () => {
      server.closeAllConnections()
      server.close()
    }
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=secret`
    return { url, bodies, calls: () => calls }
  }

  it('gets each alert and its end, also when it fails at first', async () => {
    const { url, bodies } = await hook(500, 200)
    const log = await newTreeLog()
    log.append(10)
    const front = await frontOf(log.url)
    front.instead.set('/checkpoint', saying(PAGE))
    const watching = await watch({ logs: at(front.url, log), webhook: url })
    await watching.round()
    front.instead.clear()
    await watching.round()
    await until(() => bodies.length === 2)
    expect(bodies).toMatchObject([
      {
        event: 'alert',
        kind: 'bad-checkpoint',
        severity: 'trouble',
        origin: log.origin,
        source: front.url,
        message: expect.stringContaining('no checkpoint'),
        since: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      },
      { event: 'cleared', kind: 'bad-checkpoint' },
    ])
  })

  it('is at an address of http or https', async () => {
    const { keys, url } = await newTreeLog()
    const logs = at(url, { keys })
    await expect(watch({ logs, webhook: 'file:///etc' })).rejects.toThrow(/begins with http/)
    await expect(watch({ logs, webhook: 'nonsense' })).rejects.toMatchObject({ code: 'USAGE' })
  })
})
