/** The pages of a log in a real browser: by day, by night, on a phone, without script, and by keyboard only. */
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { openCompliance } from '../../src/compliance/compliance.ts'
import type { ComplianceService } from '../../src/compliance/service.ts'
import type { Authenticate } from '../../src/http/authenticate.ts'
import { createServerFor } from '../../src/http/node-listener.ts'
import { principal } from '../http/hosted-place.ts'
import { type OpenedRecords, openRecordsAt, request } from '../records/records-place.ts'
import { accessibilityViolations, BROWSER, openBrowser } from '../support/browser.ts'
import { type LiveServer, listening } from '../support/live-server.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'

const LEAVES = 100_000
const AT_ONCE = 5_000
const RECORD = LEAVES + 1

const authenticate: Authenticate = (authorization) =>
  authorization === 'Bearer audrey' ? principal('audrey') : undefined

describe.skipIf(BROWSER === undefined)('the explorer in a browser', () => {
  let place: TestLogPlace
  let opened: OpenedRecords
  let compliance: ComplianceService
  let server: LiveServer
  let browser: Browser
  const errors: unknown[] = []

  beforeAll(async () => {
    place = await newPlace()
    opened = await openRecordsAt(place)
    const { log, records, vault } = opened
    compliance = openCompliance({ log, records, vault })
    for (let i = 0; i < LEAVES; i += AT_ONCE) {
      await log.submit(Array.from({ length: AT_ONCE }, (_, k) => utf8(`leaf ${i + k}`)))
    }
    for (let n = 0; n < 3; n++) {
      const more = {
        action: '<img src=x onerror="document.title=1">',
        output: { text: '\u202e<b>' },
      }
      await records.submit([request(n, more)], principal('sam'))
    }
    await records.settled()
    const hosted = { log, authenticate, records: { records, compliance } }
    const onError = (error: unknown): void => void errors.push(error)
    server = await listening(createServerFor({ logs: new Map([['', hosted]]), onError }))
    browser = await openBrowser()
  })

  afterAll(async () => {
    await browser.close()
    await server.close()
    await compliance.close()
    await opened.close()
    await discard(place)
    expect(errors).toEqual([])
  })

  type Options = Parameters<Browser['newContext']>[0]

  /** A browser of somebody, in which nothing may go wrong and nothing be asked for elsewhere. */
  async function visit(
    options: Options,
    look: (page: Page, context: BrowserContext) => Promise<void>,
  ): Promise<void> {
    const context = await browser.newContext(options)
    const wrong: string[] = []
    try {
      const page = await context.newPage()
      page.on('console', (message) => {
        if (message.type() === 'error') wrong.push(message.text())
      })
      page.on('pageerror', (error) => wrong.push(String(error)))
      page.on('request', (one) => {
        if (!/^data:/.test(one.url()) && !one.url().startsWith(server.url)) wrong.push(one.url())
      })
      await look(page, context)
      expect(wrong).toEqual([])
    } finally {
      await context.close()
    }
  }

  async function signIn(page: Page): Promise<void> {
    await page.goto(`${server.url}/explore/sign-in`)
    await page.fill('#token', 'audrey')
    await page.click('main button[type=submit]')
  }

  const PAGES = ['/', '/explore/entries', '/explore/search', `/explore/entries/${RECORD}#step-3`]

  it.each<[string, Options, readonly string[]]>([
    ['by day', {}, PAGES],
    ['by night', { colorScheme: 'dark' }, [PAGES[0]!, PAGES[3]!]],
    ['on a phone', { viewport: { width: 360, height: 700 } }, PAGES],
  ])('can be read by everyone %s', async (_, options, paths) => {
    await visit(options, async (page) => {
      await page.goto(`${server.url}/explore/sign-in`)
      expect(await accessibilityViolations(page)).toEqual([])
      await signIn(page)
      for (const path of paths) {
        await page.goto(server.url + path)
        expect(await accessibilityViolations(page)).toEqual([])
        const fits = 'document.documentElement.scrollWidth <= innerWidth'
        expect([path, await page.evaluate(fits)]).toEqual([path, true])
      }
    })
  })

  it('shows a log of 100,000 entries in less than a second', async () => {
    await visit({}, async (page) => {
      for (const path of ['/', '/explore/entries', `/explore/entries/${LEAVES / 2}`]) {
        await page.goto(server.url + path, { waitUntil: 'load' })
        const took = await page.evaluate<number>(
          `performance.getEntriesByType('navigation')[0].loadEventEnd`,
        )
        expect([path, took < 1_000 || took]).toEqual([path, true])
      }
    })
  })

  it('can be read without script', async () => {
    await visit({ javaScriptEnabled: false }, async (page) => {
      await page.goto(`${server.url}/`)
      await page.click('text=All entries')
      await page.click(`tbody a >> nth=1`)
      expect(await page.textContent('h1')).toBe('Entry 100,001: LLM request')
      expect(await page.isVisible('text=✓ This is the root hash')).toBe(true)
      await page.click('.timeline + details summary')
      expect(await page.isVisible('pre >> text=req-1')).toBe(true)
      await signIn(page)
      await page.click('text=Search')
      await page.fill('#request_id', 'req-2')
      await page.click('main button[type=submit]')
      await page.click('tbody a')
      expect(await page.textContent('h1')).toBe('Entry 100,002: LLM request')
    })
  })

  it('is followed from leaf to root by keyboard', async () => {
    await visit({}, async (page) => {
      await page.goto(`${server.url}/explore/entries/${RECORD}#step-0`)
      const size = Number((await page.textContent('.ends .about'))!.replace(/\D/g, ''))
      expect(size).toBeGreaterThan(LEAVES)
      const levels = (await page.locator('.steps > li').count()) - 2
      for (let step = 0; step < levels; step++) {
        expect(await page.isVisible(`#step-${step} dl`)).toBe(true)
        await page.focus(`#step-${step} p a >> nth=-1`)
        await page.keyboard.press('Enter')
        await page.waitForSelector(`#step-${step + 1}:target`)
        expect(await page.isVisible(`#step-${step} dl`)).toBe(false)
      }
      const stroke = `getComputedStyle(document.querySelector('.n${levels} rect')).strokeWidth`
      expect(await page.evaluate(stroke)).toBe('3.5px')
      // And by the drawing: what is last in it is the entry.
      await page.focus('.tree a >> nth=-1')
      await page.keyboard.press('Enter')
      await page.waitForSelector('#step-0:target')
    })
  })

  it('leads past the navigation with the first key', async () => {
    await visit({}, async (page) => {
      await page.goto(`${server.url}/`)
      await page.keyboard.press('Tab')
      expect(await page.evaluate('document.activeElement.className')).toBe('skip')
      await page.keyboard.press('Enter')
      expect(page.url()).toMatch(/#content$/)
    })
  })

  it('keeps up with the log, until it is told not to', async () => {
    await visit({}, async (page) => {
      // The clock is the page's own: five seconds pass at once.
      await page.clock.install()
      await page.goto(`${server.url}/`)
      await opened.log.submit([utf8('one more')])
      const { size } = opened.log.head()
      const shown = (count: number) => `text=/of ${count.toLocaleString('en-US')}, the newest/`
      await page.clock.runFor(5_000)
      await page.waitForSelector(shown(size))
      await page.click('text=Pause')
      await opened.log.submit([utf8('and one more')])
      await page.clock.runFor(10_000)
      expect(await page.isVisible(shown(size))).toBe(true)
      await page.click('text=Resume')
      await page.waitForSelector(shown(size + 1))
    })
  })

  it('draws hostile text, and no more', async () => {
    await visit({}, async (page) => {
      await signIn(page)
      for (const path of ['/', '/explore/search', `/explore/entries/${RECORD}`]) {
        await page.goto(server.url + path)
        expect(await page.locator('img, main script').count()).toBe(0)
        expect(await page.title()).toMatch(/ · test\.example\/log$/)
        expect(await page.isVisible('text=<img src=x')).toBe(true)
      }
    })
  })
})
