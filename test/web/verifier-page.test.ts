/** The verifier page as a reader has it: one file opened from disk, without a network, in a real browser. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifierPage } from '../../.ci/verifier-page.mjs'
import { utf8 } from '../../src/bytes.ts'
import { verdictJson } from '../../src/client/verdict-json.ts'
import { verifyFile } from '../../src/client/verify-file.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { toResponse } from '../../src/http/answer.ts'
import { verifierRoute } from '../../src/http/verifier-route.ts'
import { accessibilityViolations, BROWSER, openBrowser } from '../support/browser.ts'
import { EVIDENCE_POLICY, evidenceFile, forged, recordLog, withLines } from '../support/evidence.ts'
import { jsonReceiptAt, LEAVES, LOG_KEY, tlogProofAt } from '../support/example-log.ts'
import { newerThanBrowsers } from '../support/newer-than-browsers.ts'
import { LEAST } from '../support/records.ts'
import { trustOf, type VerifierCase, verifierCases } from '../support/verifier-cases.ts'

const VKEY = formatVkey(LOG_KEY.vkey)
const RECEIPT = { name: '4.tlog-proof', bytes: utf8(tlogProofAt(4, 13)) }
const LEAF = { name: '4.leaf', bytes: LEAVES[4]! }

interface NamedFile {
  readonly name: string
  readonly bytes: Uint8Array
}

/** What a page must not do, and did. */
interface Watched {
  readonly page: Page
  readonly troubles: string[]
}

/** What a card shows. */
interface Shown {
  readonly tone: string
  readonly name: string
  readonly statuses: readonly string[]
  readonly json: string
}

/** Runs in the page: what all cards show, with the verdicts as JSON. */
const READ_CARDS = `Promise.all([...document.querySelectorAll('#verdicts > article')].map(async (card) => {
  const details = card.querySelector('details.json')
  if (details) {
    const toggled = new Promise((done) => details.addEventListener('toggle', done, { once: true }))
    if (!details.open) { details.open = true; await toggled }
  }
  return {
    tone: card.className.replace('card ', ''),
    name: card.querySelector('h3 .name').textContent,
    statuses: [...card.querySelectorAll('table.checks tbody tr')].map((row) => row.className),
    json: details?.querySelector('pre').textContent ?? '',
  }
}))`

const SETTLED = () => document.querySelector('#verdicts > article.open') === null

/** A policy and keys, as they would be pasted. */
function trustText({ vkeys, policy }: VerifierCase): string {
  return [...vkeys, ...(policy === undefined ? [] : [policy])].join('\n')
}

/** The page takes these for what they are: they say whom to trust. */
const TRUST_FILES = ['wrong kind: a key', 'wrong kind: a policy']

it('is one file whose policy lets in what it consists of, and nothing else', async () => {
  const text = await verifierPage()
  expect(await verifierPage()).toBe(text)
  const [, policy = ''] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(text)!
  for (const name of ['script', 'style'] as const) {
    const parts = [...text.matchAll(new RegExp(`<${name}>([\\s\\S]*?)</${name}>`, 'g'))]
    expect(parts).toHaveLength(1)
    const hash = createHash('sha256').update(parts[0]![1]!).digest('base64')
    expect(policy).toContain(`${name}-src 'sha256-${hash}'`)
  }
  expect(policy).toMatch(/^default-src 'none'; /)
  expect(policy).not.toMatch(/unsafe|connect-src|https?:/)
  expect(text.replace(/<script>[\s\S]*<\/script>/, '')).not.toMatch(
    /\bon[a-z]+=|\bstyle=|src=|@import|url\(/,
  )
  expect(newerThanBrowsers(text)).toBe(undefined)
  expect(text).not.toMatch(/\b(XMLHttpRequest|WebSocket|EventSource|sendBeacon)\b|\bfetch\(/)
})

describe.skipIf(BROWSER === undefined)('the verifier page', () => {
  let folder: string
  let browser: Browser
  let file: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cairn-page-'))
    file = join(folder, 'verifier.html')
    await writeFile(file, await verifierPage())
    browser = await openBrowser()
    await mkdir(join(folder, 'case/inner'), { recursive: true })
    await writeFile(join(folder, 'case/inner/4.leaf'), LEAF.bytes)
    await writeFile(join(folder, 'case/4.tlog-proof'), RECEIPT.bytes)
    await writeFile(join(folder, 'log.vkey'), `# the log's\n${VKEY}\n`)
  })
  afterAll(async () => {
    await browser?.close()
    await rm(folder, { recursive: true })
  })

  /** The page, with the network off, watched. */
  async function opened(url = `file://${file}`): Promise<Watched> {
    const context = await browser.newContext({ viewport: { width: 1200, height: 900 } })
    context.setDefaultTimeout(60_000)
    const troubles: string[] = []
    const page = await context.newPage()
    page.on('console', (message) => troubles.push(`console: ${message.text()}`))
    page.on('pageerror', (error) => troubles.push(`error: ${error.message}`))
    page.on('dialog', (dialog) => {
      troubles.push(`dialog: ${dialog.message()}`)
      void dialog.dismiss()
    })
    page.on('request', (request) => {
      if (!/^(file|blob|data):/.test(request.url()) && request.url() !== url) {
        troubles.push(`request: ${request.url()}`)
      }
    })
    if (url.startsWith('file:')) await context.setOffline(true)
    await page.goto(url)
    return { page, troubles }
  }

  async function give(page: Page, files: readonly NamedFile[]): Promise<void> {
    await page.setInputFiles(
      '#choose',
      files.map(({ name, bytes }) => ({
        name,
        mimeType: 'application/octet-stream',
        buffer: Buffer.from(bytes),
      })),
    )
    await page.waitForFunction(
      (count) => document.querySelectorAll('#given > li').length >= count,
      files.length,
    )
  }

  async function cards(page: Page): Promise<readonly Shown[]> {
    await page.waitForFunction(SETTLED)
    return page.evaluate<readonly Shown[]>(READ_CARDS)
  }

  /** Drops files and folders as a person does. */
  async function drop(page: Page, ...names: string[]): Promise<void> {
    const devices = await page.context().newCDPSession(page)
    const files = names.map((name) => join(folder, name))
    const data = { items: [], files, dragOperationsMask: 1 }
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
      await devices.send('Input.dispatchDragEvent', { type, x: 200, y: 200, data })
    }
  }

  it('gives the verdicts of the library on the table of files, and is accessible with them', async () => {
    const cases = (await verifierCases()).filter(({ name }) => !TRUST_FILES.includes(name))
    const groups = new Map<string, VerifierCase[]>()
    for (const one of cases) {
      const key = `${trustText(one)} ${one.authorities ?? ''}`
      groups.set(key, [...(groups.get(key) ?? []), one])
    }
    const { page, troubles } = await opened()
    const told: string[] = []
    let isFirst = true
    let scanned = 0
    for (const group of groups.values()) {
      if (!isFirst) await page.click('#clear')
      isFirst = false
      await page.fill('#trust', trustText(group[0]!))
      const files = group.flatMap((one, i): NamedFile[] => [
        { name: `${i}.${one.file.replace(/^.*\./, '')}`, bytes: one.bytes },
        // Without a receipt that it is for, a leaf would be a card of its own.
        ...(one.leaf && one.kind !== 'unknown' ? [{ name: `${i}.leaf`, bytes: one.leaf }] : []),
        ...(one.data ? [{ name: `${i}.data`, bytes: one.data }] : []),
      ])
      const [{ authorities }] = group as [VerifierCase]
      await give(page, [...files, ...(authorities ? [{ name: 'ca.pem', bytes: authorities }] : [])])
      const rows = page.locator('#given > li')
      const roles = await rows.evaluateAll((all) =>
        all.map((row) => ({
          name: row.querySelector('.name')!.textContent,
          role: row.querySelector('select')!.value,
        })),
      )
      for (const [row, { name, role }] of roles.entries()) {
        const subject = group[Number.parseInt(name!, 10)]
        if (subject === undefined || /\.(leaf|data)$/.test(name!) || role === 'subject') continue
        told.push(subject.name)
        await rows.nth(row).locator('select').selectOption('subject')
      }
      const shown = await cards(page)
      const expected = await Promise.all(
        group.map((one) => verifyFile({ ...one, trust: trustOf(one) })),
      )
      expect(shown.length).toBe(group.length)
      for (const [i, verdict] of expected.entries()) {
        const one = group[i]!
        const card = shown.find(({ name }) => name!.startsWith(`${i}.`))!
        expect(card.json, one.name).toBe(JSON.stringify(verdictJson(verdict), null, 2))
        expect(card.statuses, one.name).toEqual(verdict.checks.map(({ status }) => status))
        const good = one.kind === 'split-view' ? 'alarm' : 'good'
        expect(card.tone, one.name).toBe(one.ok ? good : 'bad')
      }
      // Scanning takes seconds; what is scanned here has texts that would be markup.
      if (scanned === 0 && group.some(({ name }) => /markup/.test(name))) {
        scanned++
        expect(await accessibilityViolations(page)).toEqual([])
      }
    }
    expect(scanned).toBe(1)
    expect(await page.evaluate('window.hacked')).toBeUndefined()
    expect(await page.locator('script, img, iframe, a').count()).toBe(1)
    expect(troubles).toEqual([])
    // All others are taken for what they are by themselves.
    expect(told.sort()).toEqual(['json: nested a thousand times', 'wrong kind: a certificate'])
    await page.context().close()
  }, 120_000)

  it('waits to be told whom to trust, and turns red when it is somebody else', async () => {
    const { page, troubles } = await opened()
    await give(page, [RECEIPT, LEAF])
    const card = page.locator('#verdicts > article')
    expect(await card.locator('.answer').textContent()).toBe('Not checked yet')
    await page.fill('#trust', 'log.example/audit+00000000+AAAA')
    await page.waitForSelector('#trust-state.bad')
    expect(await page.getAttribute('#trust', 'aria-invalid')).toBe('true')
    await page.fill('#trust', VKEY)
    await page.waitForSelector('article.good')
    expect(await page.textContent('#trust-state')).toBe(
      'Trusted: 1 key of log.example/audit; no witness is demanded.',
    )
    expect(await page.textContent('#status')).toBe('4.tlog-proof: Verified.')
    // It works in the background.
    expect(page.workers()).toHaveLength(1)
    const other = 'log.example/audit+d717ae78+AcaCJjfH0xDsV2J74AuiWdJTdJ9Kr2REcM/75To19zJC'
    await page.fill('#trust', other)
    await page.waitForSelector('article.bad tr.failed')
    expect(await card.locator('tr.failed').innerText()).toMatch(
      /log signature\s+failed\s+.*is not trusted/,
    )
    expect(troubles).toEqual([])
    await page.context().close()
  })

  it('turns red when one byte of a leaf or of a receipt is another', async () => {
    const { page } = await opened()
    await page.fill('#trust', VKEY)
    const spoiled = (bytes: Uint8Array) => {
      const copy = bytes.slice()
      copy[copy.length - 3]! ^= 1
      return copy
    }
    const receipt = utf8(jsonReceiptAt(5, 13))
    await give(page, [
      RECEIPT,
      { ...LEAF, bytes: spoiled(LEAF.bytes) },
      { name: '5.json', bytes: receipt },
      { name: '5.leaf', bytes: LEAVES[5]! },
      { name: '6.json', bytes: spoiled(utf8(jsonReceiptAt(6, 13))) },
      { name: '6.leaf', bytes: LEAVES[6]! },
    ])
    const shown = await cards(page)
    expect(shown.map(({ name, tone }) => `${name} ${tone}`)).toEqual([
      '4.tlog-proof bad',
      '5.json good',
      '6.json bad',
    ])
    expect(await page.textContent('#status')).toBe('1 verified, 2 not verified.')
    expect(await accessibilityViolations(page)).toEqual([])
    await page.context().close()
  })

  it('says what a record alone is worth, and takes files and trust that are dropped', async () => {
    const { page, troubles } = await opened()
    await drop(page, 'case/inner/4.leaf')
    await page.waitForSelector('#verdicts > article.open')
    expect(await page.textContent('#verdicts')).toContain('proves nothing without its receipt')
    await drop(page, 'case/4.tlog-proof', 'log.vkey')
    await page.waitForSelector('article.good')
    expect(await page.inputValue('#trust')).toContain(VKEY)
    expect(await page.locator('#given > li').count()).toBe(2)
    // Chromium shows a page on a disk no folder that is dropped, only one that is chosen.
    await page.click('#clear')
    await drop(page, 'case')
    await page.waitForFunction(() => /folder/.test(document.querySelector('#status')!.textContent!))
    await page.setInputFiles('#choose-folder', join(folder, 'case'))
    await page.waitForSelector('article.good')
    expect(troubles).toEqual([])
    await page.context().close()
  })

  it('keeps whom it was told to trust when a file is no policy, and shows names as they are', async () => {
    const { page, troubles } = await opened()
    await page.fill('#trust', VKEY)
    const file = (name: string, text: string) => ({
      name,
      mimeType: 'text/plain',
      buffer: Buffer.from(text, 'latin1'),
    })
    await page.setInputFiles('#choose-trust', file('letter.doc', '\xff\xfe'))
    await page.waitForSelector('#trust-state.bad')
    expect(await page.textContent('#trust-state')).toMatch(/^letter\.doc is neither a policy nor/)
    expect(await page.inputValue('#trust')).toBe(VKEY)
    await give(page, [LEAF, { ...RECEIPT, name: '<b>\u202ecod.tlog-proof' }])
    await page.waitForSelector('article.good')
    expect(await page.textContent('#status')).toBe('<b>\\u{202e}cod.tlog-proof: Verified.')
    expect(await page.textContent('h3 .name')).toBe('<b>\\u{202e}cod.tlog-proof')
    await page.setInputFiles('#choose-trust', file('policy.txt', `log ${VKEY}\n`))
    await page.waitForSelector('article.open')
    expect(await page.textContent('#trust-state')).toMatch(/^This cannot be used: .*no quorum line/)
    expect(troubles).toEqual([])
    await page.context().close()
  })

  it.each([
    ['has no workers', 'delete globalThis.Worker'],
    [
      'starts none from a page',
      'globalThis.Worker = class extends EventTarget { constructor() { super(); setTimeout(() => this.onerror(new Event("error")), 50) } postMessage() {} terminate() {} }',
    ],
  ])('verifies where a browser %s', async (_, script) => {
    const context = await browser.newContext()
    await context.addInitScript(script)
    const page = await context.newPage()
    await page.goto(`file://${file}`)
    await page.fill('#trust', VKEY)
    await give(page, [RECEIPT, LEAF])
    await page.waitForSelector('article.good')
    expect(page.workers()).toHaveLength(0)
    await context.close()
  })

  it('says where scripts are switched off what to do', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false })
    const page = await context.newPage()
    await page.goto(`file://${file}`)
    expect(await page.locator('noscript').innerText()).toContain('cairn verify FILE')
    await context.close()
  })

  it('is used with the keyboard alone', async () => {
    const { page } = await opened()
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.id')).toBe('choose')
    await give(page, [RECEIPT, LEAF])
    const reached: string[] = []
    for (let i = 0; i < 9; i++) {
      reached.push(
        await page.evaluate(`document.activeElement.id || document.activeElement.ariaLabel`),
      )
      await page.keyboard.press('Tab')
    }
    expect(reached).toEqual([
      'choose',
      'choose-folder',
      'role-1',
      'Remove 4.tlog-proof',
      'role-2',
      'Remove 4.leaf',
      'clear',
      'trust',
      'choose-trust',
    ])
    await page.focus('#trust')
    await page.keyboard.type(VKEY)
    await page.waitForSelector('article.good')
    await page.locator('#given button').first().focus()
    await page.keyboard.press('Enter')
    expect(await page.textContent('#status')).toBe('4.tlog-proof is removed.')
    expect(await page.evaluate('document.activeElement.id')).toBe('choose')
    await page.context().close()
  })

  it('refuses files that are too large without reading them', async () => {
    const { page } = await opened()
    await page.fill('#trust', VKEY)
    const paths = await Promise.all(
      [
        ['huge.tlog-proof', RECEIPT.bytes],
        ['huge.cairn', utf8('cairn-evidence/SHA256SUMS\0')],
      ].map(async ([name, start]) => {
        const path = join(folder, name as string)
        const sparse = await open(path, 'w')
        await sparse.write(start as Uint8Array)
        await sparse.truncate(2 ** 30)
        await sparse.close()
        return path
      }),
    )
    await page.setInputFiles('#choose', paths)
    await page.waitForFunction(() => document.querySelectorAll('article.bad').length === 2)
    const words = await page.locator('.finding').allTextContents()
    for (const text of words) expect(text).toMatch(/^The file has 1073741824 bytes, and nothing/)
    await page.context().close()
  })

  it('shows of many records the first and those that are wrong, and then the others, in their order', async () => {
    const records = recordLog(Array.from({ length: 400 }, () => LEAST))
    const whole = evidenceFile(records, [...records.leaves.keys()])
    const bytes = forged(whole, (files) =>
      withLines(files, 'records.jsonl', (lines) => [
        ...lines.slice(0, 300),
        lines[300]!.replace('acme', 'acne'),
        ...lines.slice(301),
      ]),
    )
    const { page } = await opened()
    await page.fill('#trust', Buffer.from(EVIDENCE_POLICY).toString())
    await give(page, [{ name: 'trail.cairn', bytes }])
    await page.waitForSelector('article.bad')
    const entries = () =>
      page
        .locator('.trail .head')
        .evaluateAll((heads) => heads.map((one) => Number(/entry (\d+)/.exec(one.textContent)![1])))
    const first = [...Array(50).keys(), 300]
    expect(await entries()).toEqual(first)
    expect(await page.locator('.trail > li.bad').innerText()).toMatch(/is not the one listed/)
    await page.click('text=Show 200 of 349 more records')
    expect(await entries()).toEqual([...Array(250).keys(), 300])
    expect(await page.evaluate('document.activeElement.textContent')).toContain('entry 50')
    await page.click('text=Show 149 of 149 more records')
    expect(await entries()).toEqual([...Array(400).keys()])
    await page.context().close()
  })

  it('fits a phone and is readable in the dark', async () => {
    const { page } = await opened()
    await page.setViewportSize({ width: 360, height: 740 })
    await page.emulateMedia({ colorScheme: 'dark' })
    const evidence = (await verifierCases()).find(({ name }) =>
      /^evidence: four records/.test(name),
    )!
    await page.fill('#trust', trustText(evidence))
    await give(page, [{ name: 'trail.cairn', bytes: evidence.bytes }, RECEIPT, LEAF])
    await cards(page)
    expect(await page.evaluate('document.scrollingElement.scrollWidth')).toBeLessThanOrEqual(360)
    expect(await accessibilityViolations(page)).toEqual([])
    expect(await page.locator('.trail > li.good').count()).toBe(4)
    await page.context().close()
  })

  it('works as it is served, under the headers that a server gives it', async () => {
    const route = verifierRoute(verifierPage)
    const server = createServer((_, response) => {
      const request = { params: {}, query: '', path: 'verify', rawQuery: '', headers: {} }
      const answer = route.handle({ ...request, body: async () => new Uint8Array() })
      void Promise.resolve(answer).then(async (given) => {
        const sent = toResponse(given)
        response.writeHead(sent.status, Object.fromEntries(sent.headers))
        response.end(await sent.text())
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const { port } = server.address() as AddressInfo
      const { page, troubles } = await opened(`http://127.0.0.1:${port}/verify`)
      await page.fill('#trust', VKEY)
      await give(page, [RECEIPT, LEAF])
      await page.waitForSelector('article.good')
      await page.click('#clear')
      await drop(page, 'case')
      await page.waitForSelector('article.good')
      expect(await page.locator('#given > li').count()).toBe(2)
      expect(troubles).toEqual([])
      await page.context().close()
    } finally {
      server.close()
    }
  })
})
