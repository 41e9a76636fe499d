/** All entries of a log, a page at a time, and a way to one of them. */
import { counted, grouped } from '../../formats/count.ts'
import { type EntryRow, EntryTable } from './entry-rows.tsx'
import { type Frame, page } from './page.tsx'

export interface EntryList {
  readonly committed: number
  /** The newest first, without gaps. */
  readonly rows: readonly EntryRow[]
  /** Entries of a page. */
  readonly limit: number
}

export function listPage(frame: Frame, { committed, rows, limit }: EntryList): string {
  const base = `${frame.prefix}/explore/entries`
  const [newest, oldest] = [rows[0]?.index, rows.at(-1)?.index]
  const newer = newest !== undefined && newest + 1 < committed
  const older = oldest !== undefined && oldest > 0
  return page({
    frame,
    title: 'Entries',
    section: 'entries',
    body: (
      <>
        <h1>Entries</h1>
        <form class="go" method="get" action={`${frame.prefix}/explore/find`}>
          <div>
            <label for="q">Go to an entry: its index, or its leaf hash in hexadecimal</label>
            <input id="q" name="q" required autocomplete="off" spellcheck={false} />
          </div>
          <button type="submit">Go</button>
        </form>
        <section class="card" aria-label="Entries">
          {rows.length === 0 ? (
            <p class="soft">The log is empty so far.</p>
          ) : (
            <EntryTable
              caption={`Entries ${grouped(newest!)} to ${grouped(oldest!)}, the newest first, of ${counted(committed, 'entry', 'entries')}`}
              rows={rows}
              prefix={frame.prefix}
            />
          )}
          <nav class="pages" aria-label="Pages of the list">
            <span>
              {newer && (
                <a rel="prev" href={`${base}?before=${Math.min(newest + 1 + limit, committed)}`}>
                  ← Newer
                </a>
              )}
            </span>
            <span>
              {older && (
                <a rel="next" href={`${base}?before=${oldest}`}>
                  Older →
                </a>
              )}
            </span>
          </nav>
        </section>
      </>
    ),
  })
}
