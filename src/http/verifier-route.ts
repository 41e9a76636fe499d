/** The verifier page over HTTP, for whoever has no copy of their own. */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { HeaderFields } from './admission.ts'
import { type Answer, answer, REVALIDATE } from './answer.ts'
import { entityTag, matchesTag, notModified } from './entity-tag.ts'
import { acceptsGzip } from './negotiate.ts'
import { type Route, route, Text } from './route.ts'
import { verifierPage } from './verifier-page.ts'

/** Of the process, whichever of its logs somebody looks at. */
export const VERIFIER_PATH = '/verify'
const HTML = 'text/html; charset=utf-8'
const compress = promisify(gzip)

interface Prepared {
  readonly text: string
  readonly whole: Answer
  readonly compressed: Promise<Uint8Array>
}

/** @param page gives its text, which names its own policy */
export function verifierRoute(page: () => Promise<string> = verifierPage): Route {
  let prepared: Prepared | undefined
  return route({
    path: VERIFIER_PATH,
    query: 'unchecked',
    documentation: {
      tag: 'operations',
      summary: 'A page that verifies receipts and evidence in the browser',
      description:
        'One file that connects to nothing. "cairn verify --page FILE" writes the same one, so that nobody must trust this copy.',
      headers: { 'If-None-Match': Text },
      answers: {
        200: { description: 'The page.', content: { [HTML]: Text } },
        304: { description: 'It is still the one with that entity tag.' },
      },
    },
    async handle({ headers }) {
      const text = await page()
      if (prepared?.text !== text) prepared = prepare(text)
      const { whole, compressed } = prepared
      if (matchesTag(headers['if-none-match'], whole.headers.ETag!)) return notModified(whole)
      if (!wantsGzip(headers)) return whole
      const encoding = { 'Content-Encoding': 'gzip' }
      return { ...whole, headers: { ...whole.headers, ...encoding }, body: await compressed }
    },
  })
}

function prepare(text: string): Prepared {
  return {
    text,
    whole: answer(HTML, REVALIDATE, text, headersOf(text)),
    compressed: compress(text),
  }
}

function wantsGzip(headers: HeaderFields): boolean {
  const accepted = headers['accept-encoding']
  return acceptsGzip(typeof accepted === 'object' ? accepted.join(', ') : accepted)
}

function headersOf(text: string): Record<string, string> {
  const [, policy] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(text) ?? []
  // What a page cannot ask for itself: that no other shows it in a frame.
  const all = `${policy ?? "default-src 'none'"}; frame-ancestors 'none'`
  return {
    // Weak: it is the same for the page as it is and compressed.
    ETag: `W/${entityTag(text)}`,
    Vary: 'Accept-Encoding',
    'Content-Security-Policy': all,
    'Referrer-Policy': 'no-referrer',
  }
}
