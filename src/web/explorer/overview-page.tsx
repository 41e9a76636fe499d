/** The first page of a log: its newest head and who vouches for it, how it grows, and its newest entries. */
import type { JSX } from 'hono/jsx/jsx-runtime'
import { toBase64 } from '../../bytes.ts'
import { counted, grouped } from '../../formats/count.ts'
import { visible } from '../../formats/html.ts'
import { type EntryRow, EntryTable } from './entry-rows.tsx'
import { Charts, type History } from './history-charts.tsx'
import { type Frame, page } from './page.tsx'
import { ageText, latencyText, spanText, timeText } from './words.ts'

/** The published head. */
export interface NewestHead {
  readonly size: number
  readonly root: Uint8Array
  /** Milliseconds since 1970. */
  readonly timestamp: number
  /** The names of its signatures: the log's own, then its witnesses'. */
  readonly signatures: readonly string[]
}

/** How a witness is doing; times in milliseconds since 1970. */
export interface WitnessRow {
  readonly names: readonly string[]
  readonly url: string
  readonly state: 'new' | 'cosigning' | 'retrying' | 'suspended'
  readonly size: number | undefined
  readonly lag: number
  readonly cosignedAt: number | undefined
  readonly latencyMs: number | undefined
  readonly error: string | undefined
}

export interface Overview {
  readonly head: NewestHead | undefined
  /** Entries that are durable; those beyond the published head are published soon. */
  readonly committed: number
  readonly mode: { readonly mode: string; readonly reason?: string }
  /** Undefined when the log asks no witnesses. */
  readonly witnesses:
    | { readonly quorum: string | undefined; readonly rows: readonly WitnessRow[] }
    | undefined
  readonly vkeys: readonly string[]
  readonly history: History | undefined
  readonly entries: readonly EntryRow[]
}

/** A head that is older than this, while there are newer entries, is late. */
const LATE_MS = 60_000

/** Keys of so many characters are folded. */
const LONG_KEY = 300

export function overviewPage(frame: Frame, overview: Overview): string {
  const { mode, entries, history, vkeys, committed } = overview
  return page({
    frame,
    title: 'Overview',
    section: 'overview',
    live: true,
    body: (
      <>
        <div class="top">
          <h1>Transparency log</h1>
          <div class="live" hidden>
            <span role="status">Updates itself</span>
            <button class="quiet" type="button">
              Pause
            </button>
          </div>
        </div>
        <div id="state" data-live>
          {mode.mode !== 'writable' && (
            <div class="notice bad">
              <p>
                <strong>This log takes no submissions</strong> ({mode.mode}):{' '}
                {visible(mode.reason ?? '')}
              </p>
            </div>
          )}
          <Figures frame={frame} overview={overview} />
        </div>
        <div class="columns heads">
          <Head frame={frame} overview={overview} />
          <Witnesses now={frame.now} overview={overview} />
        </div>
        <Charts history={history} path={`${frame.prefix}/`} />
        <section class="card" id="newest" data-live aria-labelledby="newest-title">
          <h2 id="newest-title">Newest entries</h2>
          {entries.length === 0 ? (
            <p class="soft">The log is empty so far.</p>
          ) : (
            <EntryTable
              caption={`${counted(entries.length, 'entry', 'entries')} of ${grouped(committed)}, the newest first`}
              rows={entries}
              prefix={frame.prefix}
            />
          )}
          <p>
            <a href={`${frame.prefix}/explore/entries`}>All entries</a>
          </p>
        </section>
        <section class="card" aria-labelledby="keys-title">
          <h2 id="keys-title">Verifier keys</h2>
          <p>
            What this log signs is checked with these. Get them from somewhere else as well: a log
            that wanted to deceive you would show you other keys.
          </p>
          {vkeys.map((vkey) =>
            vkey.length < LONG_KEY ? (
              <pre>{visible(vkey)}</pre>
            ) : (
              <details>
                <summary>
                  <span class="mono">{visible(/^[^+]*\+[^+]*/.exec(vkey)?.[0] ?? '')}</span>, a
                  post-quantum key
                </summary>
                <pre>{visible(vkey)}</pre>
              </details>
            ),
          )}
        </section>
      </>
    ),
  })
}

function Figures({ frame, overview }: { frame: Frame; overview: Overview }): JSX.Element {
  const { head, committed, witnesses, history } = overview
  const last = history?.samples.at(-1)
  const cosigning = witnesses?.rows.filter(({ state }) => state === 'cosigning').length ?? 0
  return (
    <dl class="figures">
      <div>
        <dt>entries</dt>
        <dd>{grouped(committed)}</dd>
      </div>
      <div>
        <dt>newest signed head</dt>
        <dd>{head === undefined ? 'none yet' : ageText(frame.now - head.timestamp)}</dd>
      </div>
      <div>
        <dt>{witnesses === undefined ? 'witnesses: none configured' : 'witnesses cosigning'}</dt>
        <dd>{witnesses === undefined ? '0' : `${cosigning} of ${witnesses.rows.length}`}</dd>
      </div>
      <div>
        <dt>99 of 100 submissions answered within</dt>
        <dd>{last?.p99 === undefined ? '–' : latencyText(last.p99)}</dd>
      </div>
    </dl>
  )
}

function Head({ frame, overview }: { frame: Frame; overview: Overview }): JSX.Element {
  const { head, committed } = overview
  const waiting = head === undefined ? committed : committed - head.size
  const isLate = head !== undefined && waiting > 0 && frame.now - head.timestamp > LATE_MS
  return (
    <section class="card" id="head" data-live aria-labelledby="head-title">
      <h2 id="head-title">Newest head</h2>
      {head === undefined ? (
        <p>No head is published yet.</p>
      ) : (
        <dl class="facts">
          <dt>Size</dt>
          <dd>{counted(head.size, 'entry', 'entries')}</dd>
          <dt>Root hash</dt>
          <dd class="mono">{toBase64(head.root)}</dd>
          <dt>Signed</dt>
          <dd>
            <time datetime={new Date(head.timestamp).toISOString()}>
              {timeText(head.timestamp)}
            </time>
            , {ageText(frame.now - head.timestamp)}
          </dd>
          <dt>Signed by</dt>
          <dd>
            {head.signatures.map((name, i) => (
              <>
                {i > 0 && ', '}
                <span class="mono">{visible(name)}</span>
              </>
            ))}
          </dd>
          <dt>Waiting</dt>
          <dd class={isLate ? 'bad' : ''}>
            {waiting === 0
              ? 'nothing: every entry is under this head'
              : `${counted(waiting, 'entry', 'entries')} not under it yet`}
          </dd>
        </dl>
      )}
      <p>
        <a href={`${frame.prefix}/checkpoint`}>The checkpoint</a>, a signed note
      </p>
    </section>
  )
}

const STATES = {
  new: ['plain', 'not asked yet'],
  cosigning: ['good', 'cosigning'],
  retrying: ['warn', 'failing'],
  suspended: ['bad', 'left alone'],
} as const

function Witnesses({ now, overview }: { now: number; overview: Overview }): JSX.Element {
  const { witnesses } = overview
  return (
    <section class="card" id="witnesses" data-live aria-labelledby="witnesses-title">
      <h2 id="witnesses-title">Witnesses</h2>
      {witnesses === undefined ? (
        <p>This log has no witnesses: nobody else confirms that everyone is shown the same log.</p>
      ) : (
        <>
          <p>
            {witnesses.quorum === undefined
              ? 'A head is published without waiting for them.'
              : `A head is published once ${visible(witnesses.quorum)} is satisfied.`}
          </p>
          <section class="scroll" tabindex={0} aria-label="Table of the witnesses">
            <table>
              <caption class="hidden">The witnesses that this log asks</caption>
              <thead>
                <tr>
                  <th scope="col">Witness</th>
                  <th scope="col">State</th>
                  <th scope="col" class="n">
                    Has seen
                  </th>
                  <th scope="col" class="n">
                    Last cosigned
                  </th>
                  <th scope="col" class="n">
                    Took
                  </th>
                </tr>
              </thead>
              <tbody>
                {witnesses.rows.map((row) => (
                  <Witness row={row} now={now} />
                ))}
              </tbody>
            </table>
          </section>
        </>
      )}
    </section>
  )
}

function Witness({ row, now }: { row: WitnessRow; now: number }): JSX.Element {
  const { names, url, state, size, lag, cosignedAt, latencyMs, error } = row
  const [tone, words] = STATES[state]
  return (
    <tr>
      <th scope="row" class="witness">
        {visible(names.join(', '))}
        <br />
        <span class="soft small">{visible(url)}</span>
        {error !== undefined && (
          <>
            <br />
            <span class="bad small">{visible(error)}</span>
          </>
        )}
      </th>
      <td>
        <span class={`tag ${tone}`}>{words}</span>
      </td>
      <td class="n">
        {size === undefined ? '–' : grouped(size)}
        {size !== undefined && lag > 0 && <span class="soft"> (−{grouped(lag)})</span>}
      </td>
      <td class="n">{cosignedAt === undefined ? 'never' : `${spanText(now - cosignedAt)} ago`}</td>
      <td class="n">{latencyMs === undefined ? '–' : latencyText(latencyMs)}</td>
    </tr>
  )
}
