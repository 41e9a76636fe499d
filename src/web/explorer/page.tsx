/** The frame of every page of the explorer: head, navigation, and the policy that lets nothing else run in it. */
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { JSX } from 'hono/jsx/jsx-runtime'
import { sha256 } from '#sha256'
import { toBase64, utf8 } from '../../bytes.ts'
import { visible } from '../../formats/html.ts'
import { LIVE_SCRIPT } from './live-script.ts'
import { PAGE_STYLE } from './page-style.ts'
import { timeText } from './words.ts'

export type Section = 'overview' | 'entries' | 'search' | 'sign-in'

/** What every page of a log says. */
export interface Frame {
  readonly origin: string
  /** What the paths of the log begin with. */
  readonly prefix: string
  /** Milliseconds since 1970: when the page was made. */
  readonly now: number
  /** Whether the log keeps records, which can be searched. */
  readonly keepsRecords: boolean
  /** Where the page is that verifies what the log gave out. */
  readonly verifier?: string
  /** Who is signed in. */
  readonly person?: string
}

const hashOf = (text: string): string => `'sha256-${toBase64(sha256(utf8(text)))}'`

/** The value of Content-Security-Policy that the pages are made for. */
export const PAGE_POLICY: string = [
  "default-src 'none'",
  `style-src ${hashOf(PAGE_STYLE)}`,
  `script-src ${hashOf(LIVE_SCRIPT)}`,
  "connect-src 'self'",
  'img-src data:',
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

const STONES =
  'M3 19a9 3 0 1 0 18 0a9 3 0 1 0-18 0zM5.5 12.6a6.5 2.6 0 1 0 13 0a6.5 2.6 0 1 0-13 0zM8 6.8a4 2.2 0 1 0 8 0a4 2.2 0 1 0-8 0z'
const ICON = `data:image/svg+xml,${encodeURIComponent(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path fill="#2f6fb5" d="${STONES}"/></svg>`,
)}`

export interface PageParts {
  readonly frame: Frame
  readonly title: string
  readonly section?: Section
  /** Whether the parts that are marked with `data-live` are asked for again. */
  readonly live?: boolean
  readonly body: Child
}

/** A whole page. */
export function page({ frame, title, section, live = false, body }: PageParts): string {
  const { origin, prefix, now, keepsRecords, verifier } = frame
  const places: readonly (readonly [Section | undefined, string, string])[] = [
    ['overview', `${prefix}/`, 'Overview'],
    ['entries', `${prefix}/explore/entries`, 'Entries'],
    ...(keepsRecords ? [['search', `${prefix}/explore/search`, 'Search'] as const] : []),
    ...(verifier === undefined ? [] : [[undefined, verifier, 'Verify'] as const]),
  ]
  const document = (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${visible(title)} · ${visible(origin)}`}</title>
        <link rel="icon" href={ICON} />
        <style>{raw(PAGE_STYLE)}</style>
      </head>
      <body>
        <a class="skip" href="#content">
          To the content
        </a>
        <header class="bar">
          <a class="brand" href={`${prefix}/`}>
            <svg viewBox="0 0 24 24" aria-hidden="true">
              <path d={STONES} />
            </svg>
            <span>{visible(origin)}</span>
          </a>
          <nav aria-label="Pages">
            <ul>
              {places.map(([name, href, words]) => (
                <li>
                  <a
                    href={href}
                    aria-current={name !== undefined && name === section ? 'page' : undefined}
                  >
                    {words}
                  </a>
                </li>
              ))}
            </ul>
          </nav>
          <Person frame={frame} section={section} />
        </header>
        <main id="content">{body}</main>
        <footer>
          <p>
            Made at <time datetime={new Date(now).toISOString()}>{timeText(now)}</time> by the log
            itself. Trust what you have verified yourself: its{' '}
            <a href={`${prefix}/checkpoint`}>checkpoint</a> and its receipts can be checked without
            it. <a href="/openapi.json">The API</a>
          </p>
        </footer>
        {live && <script>{raw(LIVE_SCRIPT)}</script>}
      </body>
    </html>
  )
  return `<!doctype html>${textOf(document)}\n`
}

function Person({ frame, section }: { frame: Frame; section: Section | undefined }): JSX.Element {
  const { prefix, person } = frame
  if (person === undefined) {
    return (
      <div class="who">
        <a
          href={`${prefix}/explore/sign-in`}
          aria-current={section === 'sign-in' ? 'page' : undefined}
        >
          Sign in
        </a>
      </div>
    )
  }
  return (
    <div class="who">
      <span class="soft">{visible(person)}</span>
      <form method="post" action={`${prefix}/explore/sign-out`}>
        <button class="quiet" type="submit">
          Sign out
        </button>
      </form>
    </div>
  )
}

/** No component here is asynchronous, so the text is there at once. */
function textOf(element: JSX.Element): string {
  const text = element.toString()
  if (typeof text !== 'string') throw new TypeError('a component is asynchronous')
  return text
}
