/** The modules in a real browser: imported as they stand by a page and by a worker, under the strictest policy. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { verifyFile } from '../../src/client/verify-file.ts'
import { formatVkey, parseVkey } from '../../src/formats/vkey.ts'
import { verdictPage } from '../../src/reports/verdict-page.ts'
import { accessibilityViolations, BROWSER, openBrowser } from '../support/browser.ts'
import { LEAVES, LOG_KEY, tlogProofAt } from '../support/example-log.ts'
import { ROOT } from '../support/sources.ts'
import { trustOf, verifierCases } from '../support/verifier-cases.ts'

const FOLDER = join(ROOT, 'dist/browser')

/** Verifies in whatever imports it. */
const JUDGE = `export async function judge(name, { leaf, receipt, vkey }) {
  const { parseVkey, verifyReceipt, verifyFile } = await import('/' + name)
  const trust = { logKeys: [parseVkey(vkey)] }
  const request = { leaf: new Uint8Array(leaf), receipt: new Uint8Array(receipt), trust }
  const verdict = verifyReceipt
    ? verifyReceipt(request)
    : await verifyFile({ bytes: request.receipt, leaf: request.leaf, trust })
  return verdict.finding
}`
const FILES: Readonly<Record<string, string>> = {
  '/': '<!doctype html><title>t</title>',
  '/judge.js': JUDGE,
  '/worker.js': `import { judge } from '/judge.js'
onmessage = ({ data: [name, request] }) =>
  judge(name, request).then((finding) => postMessage(finding), (error) => postMessage(String(error)))`,
}

describe.runIf(BROWSER !== undefined && existsSync(FOLDER))('in a browser', () => {
  let browser: Browser
  let server: Server
  let page: Page
  const troubles: string[] = []

  beforeAll(async () => {
    server = createServer(async ({ url = '' }, answer) => {
      const known = FILES[url] ?? (await readFile(join(FOLDER, url)).catch(() => undefined))
      answer.setHeader('content-type', url === '/' ? 'text/html' : 'text/javascript')
      answer.setHeader('content-security-policy', "default-src 'none'; script-src 'self'")
      answer.writeHead(known === undefined ? 404 : 200).end(known)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    browser = await openBrowser()
    page = await browser.newPage()
    page.on('pageerror', (error) => troubles.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error') troubles.push(message.text())
    })
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  })
  afterAll(async () => {
    await browser.close()
    server.closeAllConnections()
    server.close()
  })

  it.each(['verify-ed25519.js', 'verify.js', 'verify-file.js'])(
    '%s verifies in a page and in a worker',
    async (name) => {
      const vkey = formatVkey(LOG_KEY.vkey)
      const bytes = utf8(tlogProofAt(4, 13))
      const leaf = LEAVES[4]!
      const trust = { logKeys: [parseVkey(vkey)] }
      const { finding } = await verifyFile({ bytes, leaf, trust })
      const request = JSON.stringify([name, { leaf: [...leaf], receipt: [...bytes], vkey }])
      const inPage = `import('/judge.js').then(({ judge }) => judge(...${request}))`
      const inWorker = `new Promise((resolve) => {
        const worker = new Worker('/worker.js', { type: 'module' })
        worker.onmessage = ({ data }) => { worker.terminate(); resolve(data) }
        worker.postMessage(${request})
      })`
      expect(await page.evaluate(inPage)).toBe(finding)
      expect(await page.evaluate(inWorker)).toBe(finding)
      expect(troubles).toEqual([])
    },
  )

  it('a report shows what tries to be a script as text, and can be read by all', async () => {
    const one = (await verifierCases()).find(({ name }) => name.startsWith('markup in every text'))!
    const verdict = await verifyFile({ ...one, trust: trustOf(one) })
    const report = verdictPage({
      file: '<script>window.hacked=1</script>.cairn',
      size: one.bytes.length,
      sha256: '0'.repeat(64),
      verdict,
      trust: trustOf(one),
      checked: '2026-11-21T12:00:00.000Z',
      program: 'cairn',
    })
    for (const colorScheme of ['light', 'dark'] as const) {
      const viewport = { width: colorScheme === 'dark' ? 390 : 1100, height: 900 }
      const context = await browser.newContext({ colorScheme, viewport, bypassCSP: true })
      const shown = await context.newPage()
      await shown.setContent(report)
      expect(await shown.evaluate('window.hacked')).toBeUndefined()
      expect(await shown.evaluate('document.images.length + document.scripts.length')).toBe(0)
      expect(await shown.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0)
      expect(await accessibilityViolations(shown)).toEqual([])
      await context.close()
    }
  })
})
