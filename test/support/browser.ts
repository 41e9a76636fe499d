/** Pages in a headless Chromium, by playwright, and what an accessibility scanner says of them. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type Browser, chromium, type Page } from 'playwright-core'
import { findChromium } from './chromium.ts'

/** The program, if there is one. */
export const BROWSER: string | undefined = findChromium()

/** Why tests of pages are skipped, if they are. */
if (BROWSER === undefined) console.log('skipped: no Chromium is installed to look at pages with')

export function openBrowser(): Promise<Browser> {
  if (BROWSER === undefined) throw new Error('there is no Chromium')
  // Pages are our own, and a test may be run by root, whom its sandbox does not serve.
  const args = ['--no-sandbox', '--disable-gpu', '--hide-scrollbars']
  return chromium.launch({ executablePath: BROWSER, args })
}

interface Violation {
  readonly id: string
  readonly help: string
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[]
}

let scanner: string | undefined

/** What axe finds wrong with a page as it is shown now; a line each. */
export async function accessibilityViolations(page: Page): Promise<string[]> {
  scanner ??= readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  await page.evaluate(scanner)
  const { violations } = await page.evaluate<{ violations: readonly Violation[] }>(
    `axe.run(document, { resultTypes: ['violations'] })`,
  )
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary = '' }) => `${id}: ${help}: ${html} ${failureSummary}`),
  )
}
