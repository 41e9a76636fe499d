/** Logs that fork, in every way in which they can be caught. All of them are real, and so is what is shown of them. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { verifySplitView } from '../../src/client/verify-split-view.ts'
import type { Alert } from '../../src/monitor/alert.ts'
import {
  at,
  folder,
  frontOf,
  kindsOf,
  newLog,
  newRealWitness,
  policyWith,
  type RealLog,
  said,
  useScene,
  watch,
} from './scene.ts'

useScene()

/** The one file of evidence, checked as a stranger would; every change of a byte that is tried makes it worthless. */
async function expectEvidence(log: RealLog, alerts: readonly Alert[], sizes: readonly number[]) {
  const alert = alerts.find(({ kind }) => kind === 'split-view')
  expect(alert?.evidence, alert?.message).toBeDefined()
  const bytes = new Uint8Array(await readFile(alert!.evidence!))
  const trust = { logKeys: log.keys.slice(0, 1) }
  const verdict = verifySplitView(bytes, trust)
  expect(verdict.ok, JSON.stringify(verdict.checks)).toBe(true)
  expect(verdict.heads?.map(({ size }) => size)).toEqual(sizes)
  for (let i = 0; i < bytes.length; i += 97) {
    const changed = bytes.with(i, bytes[i]! ^ 1)
    expect(verifySplitView(changed, trust).ok, `byte ${i}`).toBe(false)
  }
}

const filesIn = async (name: string): Promise<string[]> => {
  return (await readdir(join(folder, 'monitor', name))).sort()
}

/** A log of `common` leaves that goes two ways. */
async function twoBranches(common: number): Promise<[RealLog, RealLog]> {
  const log = await newLog()
  await log.append(common)
  return log.fork()
}

describe('an address that shows one branch, and then the other', () => {
  it.each([
    ['of the same size', 300, 40, 40],
    ['that is smaller', 300, 40, 10],
    ['that is smaller, and of another tile', 250, 600, 20],
    ['that is larger', 300, 40, 500],
    ['that is larger by one entry', 255, 1, 2],
    ['that forked at the first entry', 0, 7, 3],
  ])('is caught with one %s', async (_, common, first, second) => {
    const [a, b] = await twoBranches(common)
    await a.append(first, 'one')
    await b.append(second, 'other')
    const front = await frontOf(a.url)
    const watching = await watch({ logs: at(front.url, a) })
    expect(await watching.round()).toEqual([])

    front.target = b.url
    const alerts = await watching.round()
    expect(kindsOf(alerts)).toEqual(['split-view'])
    const sizes = [common + first, common + second].sort((x, y) => x - y)
    await expectEvidence(a, alerts, sizes)
    expect(said(watching.events)).toEqual([`head ${common + first}`, 'alert split-view'])
  })

  it('is said once, however the other branch grows, and never taken back', async () => {
    const [a, b] = await twoBranches(20)
    await a.append(5, 'one')
    await b.append(6, 'other')
    const front = await frontOf(a.url)
    const watching = await watch({ logs: at(front.url, a) })
    await watching.round()
    front.target = b.url
    for (let i = 0; i < 3; i++) {
      await watching.round()
      await b.append(1, 'more')
    }
    front.target = a.url
    await a.append(1, 'one')
    const alerts = await watching.round()
    expect(kindsOf(alerts)).toEqual(['split-view'])
    expect(said(watching.events)).toEqual(['head 25', 'alert split-view', 'head 26'])
    expect(await filesIn('evidence')).toHaveLength(1)

    // It is known after a restart, and the same two heads make no second file.
    const later = await watching.again()
    front.target = b.url
    expect(kindsOf(await later.round())).toEqual(['split-view'])
    expect((await filesIn('evidence')).length).toBeLessThanOrEqual(2)
  })

  it('is said again when it forks again', async () => {
    const [a, b] = await twoBranches(20)
    const [b1, b2] = await b.fork()
    await a.append(5, 'one')
    await b1.append(5, 'other')
    await b2.append(5, 'third')
    const front = await frontOf(a.url)
    const watching = await watch({ logs: at(front.url, a) })
    await watching.round()
    for (const branch of [b1, a, b2, a]) {
      front.target = branch.url
      await watching.round()
    }
    expect(said(watching.events)).toEqual(['head 25', 'alert split-view', 'alert split-view'])
    expect(await filesIn('evidence')).toHaveLength(2)
  })

  it('is proven although nobody shows the branch that was seen any more', async () => {
    const [a, b] = await twoBranches(300)
    await a.append(700, 'one')
    await b.append(10, 'other')
    const front = await frontOf(a.url)
    const watching = await watch({ logs: at(front.url, a) })
    await watching.round()
    front.target = b.url
    front.instead.set('/tile/0/001.p/54', (_, response) => response.destroy())
    await expectEvidence(a, await watching.round(), [310, 1000])
  })
})

describe('two parties that are shown different branches', () => {
  it.each([
    ['behind', 40, 10],
    ['at', 40, 40],
  ])('are told apart when the witness is %s the log', async (_, first, second) => {
    const [a, b] = await twoBranches(300)
    await a.append(first, 'one')
    await b.append(second, 'other')
    const witness = await newRealWitness('w.example', a)
    await witness.cosign(b)
    const watching = await watch({ logs: at(a.url, a), policy: policyWith([witness]) })
    const alerts = await watching.round()
    expect(alerts).toMatchObject([{ kind: 'split-view', source: 'w.example' }])
    const sizes = [300 + first, 300 + second].sort((x, y) => x - y)
    await expectEvidence(a, alerts, sizes)
  })

  it('are told apart when the log has grown to what the witness was shown', async () => {
    const [a, b] = await twoBranches(300)
    await a.append(10, 'one')
    await b.append(40, 'other')
    const witness = await newRealWitness('w.example', a)
    await witness.cosign(b)
    const watching = await watch({ logs: at(a.url, a), policy: policyWith([witness]) })
    expect(await watching.round()).toEqual([])
    // Also when the monitor was restarted meanwhile, and the witness shows it no more.
    const later = await watching.again({ policy: policyWith([]) })
    await a.append(100, 'one')
    await expectEvidence(a, await later.round(), [340, 410])
  })

  it('are told apart although the log shows neither its tiles nor its entries', async () => {
    const [a, b] = await twoBranches(5)
    await a.append(4, 'one')
    await b.append(4, 'other')
    const front = await frontOf(a.url)
    front.instead.set('*', (request, response) => {
      if (request.url !== '/checkpoint') return void response.writeHead(404).end()
      response.end(a.service.publication().checkpoint)
    })
    const witness = await newRealWitness('w.example', a)
    await witness.cosign(b)
    const watching = await watch({ logs: at(front.url, a), policy: policyWith([witness]) })
    const alerts = await watching.round()
    expect(kindsOf(alerts).sort()).toEqual(['missing-tiles', 'split-view'])
    await expectEvidence(a, alerts, [9, 9])
  })

  it('are told apart at two addresses of one log', async () => {
    const [a, b] = await twoBranches(30)
    await a.append(5, 'one')
    await b.append(3, 'other')
    const watching = await watch({ logs: [...at(a.url, a), ...at(b.url, a)] })
    const alerts = await watching.round()
    expect(alerts).toMatchObject([{ kind: 'split-view', source: b.url }])
    await expectEvidence(a, alerts, [33, 35])
  })

  it('are told apart when two witnesses know more than the log shows', async () => {
    const [a, b] = await twoBranches(30)
    const old = await frontOf(a.url)
    old.instead.set('/checkpoint', sayingNote(a))
    await a.append(5, 'one')
    await b.append(5, 'other')
    const one = await newRealWitness('one.example', a)
    const two = await newRealWitness('two.example', a)
    await one.cosign(a)
    await two.cosign(b)
    const watching = await watch({ logs: at(old.url, a), policy: policyWith([one, two]) })
    const alerts = await watching.round()
    expect(kindsOf(alerts)).toEqual(['split-view'])
    await expectEvidence(a, alerts, [35, 35])
  })

  it('agree when they are shown the same, and the log is followed', async () => {
    const log = await newLog()
    await log.append(300)
    const witness = await newRealWitness('w.example', log)
    await witness.cosign(log)
    await log.append(200)
    const watching = await watch({ logs: at(log.url, log), policy: policyWith([witness]) })
    expect(await watching.round()).toEqual([])
    await witness.cosign(log)
    await log.append(100)
    expect(await watching.round()).toEqual([])
    const [report] = (await watching.monitor.round()).logs
    expect(report).toMatchObject({ size: 600, newEntries: 0, entries: 'read' })
    expect(report?.places).toMatchObject([
      { role: 'log', size: 600, lag: 0 },
      { role: 'witness', source: 'w.example', size: 500, lag: 100, isAgeSigned: true },
    ])
  })
})

/** The checkpoint that a log shows now, for later. */
function sayingNote(log: RealLog) {
  const { checkpoint } = log.service.publication()
  return (_: unknown, response: { end(text: string): void }) => response.end(checkpoint)
}
