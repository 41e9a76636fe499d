/** What the explorer answers with: pages that nothing else can run in, redirections, and files. */
import { type Frame, PAGE_POLICY } from '../web/explorer/page.tsx'
import { problemPage } from '../web/explorer/sign-in-page.tsx'
import { type Answer, UNCACHED } from './answer.ts'

export const HTML = 'text/html; charset=utf-8'
const HEADERS: Readonly<Record<string, string>> = {
  'Content-Type': HTML,
  'Cache-Control': UNCACHED,
  'Content-Security-Policy': PAGE_POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
}

/** A page. */
export function pageAnswer(
  body: string,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return { status, headers: { ...HEADERS, ...headers }, body }
}

/** A problem document as a page; anything else as it is. */
export function problemAsPage(frame: Frame, refusal: Answer): Answer {
  const { status, headers, body } = refusal
  if (headers['Content-Type'] !== 'application/problem+json') return refusal
  const { title, detail } = JSON.parse(body as string) as { title: string; detail: string }
  const { 'Content-Type': _type, 'Access-Control-Allow-Origin': _cors, ...rest } = headers
  return pageAnswer(problemPage(frame, { title, detail }), status, rest)
}

/** To another page, to be read with GET. */
export function redirect(location: string, headers: Readonly<Record<string, string>> = {}): Answer {
  const { 'Content-Type': _, ...rest } = HEADERS
  return { status: 303, headers: { ...rest, ...headers, Location: location }, body: '' }
}

/** Something to keep. */
export function fileAnswer(name: string, mediaType: string, body: string | Uint8Array): Answer {
  return {
    status: 200,
    headers: {
      ...HEADERS,
      'Content-Type': mediaType,
      'Content-Disposition': `attachment; filename="${name}"`,
      // Whatever an entry holds, it is nothing to run.
      'Content-Security-Policy': "default-src 'none'; sandbox",
    },
    body,
  }
}
