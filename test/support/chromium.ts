/** A headless Chromium, where one is installed. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const NAMES = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome']

/** The path of its program; undefined when there is none. @throws Error then, where a run decides about a merge */
export function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(
    existsSync,
  )
  if (found === undefined && process.env.CI === 'true') {
    throw new Error('pages must be tested: install chromium-headless-shell')
  }
  return found
}

/** Runs it on a page with options of its own, with nothing kept, and gives what it prints. */
export function runChromium(
  program: string,
  profile: string,
  ...options: readonly string[]
): string {
  // Pages are our own files, and a test may be run by root, whom its sandbox does not serve.
  const common = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars']
  return execFileSync(program, [...common, `--user-data-dir=${profile}`, ...options], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 60_000,
    maxBuffer: 1 << 26,
  })
}
