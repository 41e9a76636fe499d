// The verifier page as one file: its script and its style are put into it, and its policy lets in nothing but these two,
// by their hashes. The same sources give the same bytes.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, transform } from 'esbuild'
import { BROWSERS, webImports } from './build-browser.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PAGE = join(ROOT, 'src/web/verifier')

/** The page's text. */
export async function verifierPage() {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const script = await scriptOf()
  const style = (
    await transform(readFileSync(join(PAGE, 'page.css'), 'utf8'), {
      loader: 'css',
      minify: true,
      target: BROWSERS,
    })
  ).code.trim()
  // What would end a script or hide its end, and what browsers change before they hash.
  if (/<\/script|<script|<!--|\r|\0/i.test(script)) throw new Error('the script cannot be inlined')
  if (/<\/style|\r|\0/i.test(style)) throw new Error('the style sheet cannot be inlined')
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    'worker-src blob:',
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types cairn-worker',
  ].join('; ')
  const parts = { policy, style, script, version }
  const used = new Set()
  const page = readFileSync(join(PAGE, 'page.html'), 'utf8').replace(
    /\/\* (style|script) \*\/|\{\{(policy|version)\}\}/g,
    (_, inlined, named) => {
      used.add(inlined ?? named)
      return parts[inlined ?? named]
    },
  )
  if (used.size < Object.keys(parts).length) throw new Error('the page has no place for a part')
  return page
}

function hashOf(text) {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}

async function scriptOf() {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: [join(PAGE, 'main.ts')],
    bundle: true,
    minify: true,
    write: false,
    platform: 'browser',
    format: 'iife',
    target: BROWSERS,
    legalComments: 'inline',
    plugins: [webImports()],
    logLevel: 'warning',
  })
  return outputFiles[0].text.trim()
}
