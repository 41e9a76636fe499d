/** One entry: its record as a timeline, its way to the root, and its receipt to take away. */
import type { JSX } from 'hono/jsx/jsx-runtime'
import { toBase64, toHex } from '../../bytes.ts'
import { counted, grouped } from '../../formats/count.ts'
import { visible } from '../../formats/html.ts'
import type { RecordLeaf } from '../../formats/record.ts'
import type { ShownPayload } from '../../reports/record-stages.ts'
import { timeWords, typeWords } from '../../reports/words.ts'
import { InclusionTree } from './inclusion-tree.tsx'
import { type Frame, page } from './page.tsx'
import type { ProvenEntry } from './path-steps.ts'
import { RecordTimeline } from './record-timeline.tsx'
import { bytesText, visibleLines } from './words.ts'

/** What may be shown of an entry. */
export type EntryContent =
  | {
      readonly kind: 'record'
      readonly record: RecordLeaf
      readonly leaf: Uint8Array
      /** Where it may be read by whoever looks. */
      readonly payload?: ShownPayload
      /** Whether its payload can be asked for under a grant. */
      readonly mayAsk: boolean
    }
  | { readonly kind: 'bytes'; readonly leaf: Uint8Array }
  | { readonly kind: 'closed'; readonly why: string; readonly signIn: boolean }

export interface EntryView {
  readonly proven: ProvenEntry
  /** Whether the head of the proof is a published one. */
  readonly published: boolean
  readonly content: EntryContent
  /** The grant that was given, if it did not serve, with the reason. */
  readonly refusedGrant?: string
  /** How many entries the log has. */
  readonly committed: number
}

/** Bytes of an entry that is no record which are shown. */
const MAX_SHOWN_BYTES = 4_096

export function entryPage(frame: Frame, view: EntryView): string {
  const { proven, content, committed } = view
  const { index } = proven
  const base = `${frame.prefix}/explore/entries`
  const what = content.kind === 'record' ? typeWords(visible(content.record.type)) : undefined
  return page({
    frame,
    title: `Entry ${grouped(index)}`,
    section: 'entries',
    body: (
      <>
        <div class="top">
          <h1>
            Entry {grouped(index)}
            {what !== undefined && `: ${what}`}
          </h1>
          <nav aria-label="Neighbours">
            {index > 0 && <a href={`${base}/${index - 1}`}>Previous</a>}
            {index > 0 && index + 1 < committed && ' · '}
            {index + 1 < committed && <a href={`${base}/${index + 1}`}>Next</a>}
          </nav>
        </div>
        <Content frame={frame} view={view} />
        <Receipt frame={frame} view={view} />
        <section class="card" aria-labelledby="proof-title">
          <h2 id="proof-title">Its way to the root</h2>
          <p>
            The head of {counted(proven.size, 'entry', 'entries')} commits to this entry: hashed
            with {counted(proven.proof.length, 'other hash', 'other hashes')}, it gives the root
            hash that the log signed. Change one bit of the entry and it gives another.
          </p>
          <InclusionTree proven={proven} />
        </section>
      </>
    ),
  })
}

function Content({ frame, view }: { frame: Frame; view: EntryView }): JSX.Element {
  const { content, proven } = view
  switch (content.kind) {
    case 'closed':
      return (
        <section class="card" aria-labelledby="content-title">
          <h2 id="content-title">The entry</h2>
          <p>{visible(content.why)}</p>
          {content.signIn && (
            <p>
              <a
                class="button"
                href={`${frame.prefix}/explore/sign-in?place=/explore/entries/${proven.index}`}
              >
                Sign in to read it
              </a>
            </p>
          )}
        </section>
      )
    case 'bytes':
      return (
        <section class="card" aria-labelledby="content-title">
          <h2 id="content-title">The entry</h2>
          <p>{bytesText(content.leaf.length)} that are no audit record:</p>
          <pre>{shownBytes(content.leaf)}</pre>
        </section>
      )
    case 'record':
      return <RecordCard frame={frame} view={view} content={content} />
  }
}

interface RecordCardParts {
  readonly frame: Frame
  readonly view: EntryView
  readonly content: EntryContent & { kind: 'record' }
}

function RecordCard({ frame, view, content }: RecordCardParts): JSX.Element {
  const { record, leaf, payload, mayAsk } = content
  const { time, tenant, action, request_id, session_id } = record
  const places = [
    ['request', 'request_id', request_id],
    ['session', 'session_id', session_id],
  ] as const
  return (
    <section class="card" aria-labelledby="content-title">
      <h2 id="content-title">{action === undefined ? 'The record' : visible(action)}</h2>
      <dl class="facts">
        <dt>Time</dt>
        <dd>
          <time datetime={time}>{timeWords(time)}</time>
        </dd>
        <dt>Tenant</dt>
        <dd>{visible(tenant)}</dd>
        {places.map(
          ([words, name, value]) =>
            value !== undefined && (
              <>
                <dt>{words === 'request' ? 'Request' : 'Session'}</dt>
                <dd>
                  {frame.keepsRecords ? (
                    <a
                      href={`${frame.prefix}/explore/search?${name}=${encodeURIComponent(value)}&order=oldest`}
                    >
                      {visible(value)}
                    </a>
                  ) : (
                    visible(value)
                  )}
                </dd>
              </>
            ),
        )}
      </dl>
      <RecordTimeline record={record} payload={payload} />
      {view.refusedGrant !== undefined && (
        <div class="notice bad" role="alert">
          <p>The payload is not shown: {visible(view.refusedGrant)}</p>
        </div>
      )}
      {mayAsk && payload === undefined && (
        <form class="go" method="get">
          <div>
            <label for="grant">Read the payload under a grant (its id); that is recorded</label>
            <input id="grant" name="grant" required autocomplete="off" spellcheck={false} />
          </div>
          <button type="submit">Read</button>
        </form>
      )}
      <details>
        <summary>As it stands in the log, {bytesText(leaf.length)}</summary>
        <pre>{visibleLines(JSON.stringify(record, undefined, 2))}</pre>
      </details>
    </section>
  )
}

function Receipt({ frame, view }: { frame: Frame; view: EntryView }): JSX.Element {
  const { proven, published, content } = view
  const { index, size } = proven
  const base = `${frame.prefix}/explore/entries/${index}`
  const files: readonly (readonly [string, string])[] = [
    [`${index}.tlog-proof`, 'tlog-proof (text)'],
    [`${index}.json`, 'JSON'],
    // A COSE receipt proves nothing about a tree of one leaf.
    ...(size > 1 ? [[`${index}.cose`, 'COSE (RFC 9942)'] as const] : []),
  ]
  return (
    <section class="card" aria-labelledby="receipt-title">
      <h2 id="receipt-title">Its receipt</h2>
      <p>
        Proves to anyone that entry {grouped(index)} is in the log. Check it{' '}
        {frame.verifier !== undefined && (
          <>
            on <a href={frame.verifier}>the page that verifies</a>, or{' '}
          </>
        )}
        without asking a log:{' '}
        <code>
          cairn verify {index}.tlog-proof{content.kind === 'closed' ? '' : ` --leaf ${index}.leaf`}{' '}
          --vkey log.vkey
        </code>
        {!published && '. Its head is not published yet; a later receipt will have a published one'}
      </p>
      <ul class="downloads">
        {files.map(([name, words], i) => (
          <li>
            <a class={i === 0 ? 'button' : 'button quiet'} href={`${base}/${name}`} download={name}>
              {words}
            </a>
          </li>
        ))}
        {content.kind !== 'closed' && (
          <li>
            <a class="button quiet" href={`${base}/${index}.leaf`} download={`${index}.leaf`}>
              The entry itself
            </a>
          </li>
        )}
      </ul>
      <details>
        <summary>Hashes</summary>
        <dl class="facts">
          <dt>Leaf hash</dt>
          <dd class="mono">{toHex(proven.leafHash)}</dd>
          <dt>In base64</dt>
          <dd class="mono">{toBase64(proven.leafHash)}</dd>
        </dl>
      </details>
    </section>
  )
}

/** Text as text, anything else in hexadecimal. */
function shownBytes(leaf: Uint8Array): string {
  const shown = leaf.subarray(0, MAX_SHOWN_BYTES)
  const rest = leaf.length > shown.length ? `\n… ${bytesText(leaf.length - shown.length)} more` : ''
  try {
    // What is cut may end within a character.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(shown, {
      stream: shown.length < leaf.length,
    })
    return visibleLines(text) + rest
  } catch {
    const lines = toHex(shown).match(/.{1,64}/g) ?? []
    return lines.join('\n') + rest
  }
}
