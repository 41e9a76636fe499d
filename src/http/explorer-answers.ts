/** What the explorer answers with: pages that nothing else can run in, redirections, and files. */
import { PAGE_POLICY } from '../web/explorer/page.tsx'
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
