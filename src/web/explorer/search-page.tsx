/** Searching the records of one's own tenant. */
import type { JSX } from 'hono/jsx/jsx-runtime'
import { counted, grouped } from '../../formats/count.ts'
import { visible } from '../../formats/html.ts'
import { EntryTable, type ListedRecord } from './entry-rows.tsx'
import { type Frame, page } from './page.tsx'

/** What can be asked for, in the words of the API. */
export const SEARCH_FIELDS = [
  'request_id',
  'session_id',
  'type',
  'action',
  'subject',
  'actor',
  'resource',
  'model',
  'from',
  'before',
] as const
export type SearchField = (typeof SEARCH_FIELDS)[number]

const LABELS: Readonly<Record<SearchField, string>> = {
  request_id: 'Request id',
  session_id: 'Session id',
  type: 'Type',
  action: 'Action',
  subject: 'Subject',
  actor: 'Actor',
  resource: 'Resource',
  model: 'Model',
  from: 'From',
  before: 'Before',
}

export const SEARCH_ORDERS = [
  ['newest', 'Newest first'],
  ['oldest', 'Oldest first'],
] as const

/** What was filled in. */
export type SearchValues = Readonly<Partial<Record<SearchField | 'order', string>>>

export interface SearchView {
  readonly values: SearchValues
  /** What is wrong with a field, by its name. */
  readonly faults: Readonly<Partial<Record<SearchField | 'order', string>>>
  /** The types that a record can have. */
  readonly types: readonly string[]
  readonly found?: {
    readonly records: readonly (ListedRecord & { readonly index: number })[]
    readonly size: number
    readonly cursor: string | undefined
  }
}

export function searchPage(frame: Frame, view: SearchView): string {
  return page({
    frame,
    title: 'Search',
    section: 'search',
    body: (
      <>
        <h1>Search</h1>
        <form class="card" method="get">
          <p class="soft small">
            People by their names or pseudonyms; times as 2026-11-21T00:00:00Z.
          </p>
          <div class="fields">
            {SEARCH_FIELDS.map((name) => (
              <Field name={name} view={view} />
            ))}
            <div>
              <label for="order">Order</label>
              <select id="order" name="order">
                {SEARCH_ORDERS.map(([name, words]) => (
                  <option value={name} selected={view.values.order === name}>
                    {words}
                  </option>
                ))}
              </select>
            </div>
          </div>
          <button type="submit">Search</button>
        </form>
        {view.found !== undefined && (
          <Results frame={frame} values={view.values} found={view.found} />
        )}
      </>
    ),
  })
}

function Field({ name, view }: { name: SearchField; view: SearchView }): JSX.Element {
  const { values, faults, types } = view
  const fault = faults[name]
  const wrong =
    fault === undefined ? {} : { 'aria-invalid': true, 'aria-describedby': `${name}-fault` }
  return (
    <div>
      <label for={name}>{LABELS[name]}</label>
      {name === 'type' ? (
        <select id={name} name={name} {...wrong}>
          <option value="">all</option>
          {types.map((type) => (
            <option value={type} selected={values.type === type}>
              {type.replaceAll('_', ' ')}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={name}
          name={name}
          value={values[name] ?? ''}
          autocomplete="off"
          spellcheck={false}
          {...wrong}
        />
      )}
      {fault !== undefined && (
        <p class="bad" id={`${name}-fault`}>
          must be {visible(fault)}
        </p>
      )}
    </div>
  )
}

interface ResultsParts {
  readonly frame: Frame
  readonly values: SearchValues
  readonly found: NonNullable<SearchView['found']>
}

function Results({ frame, values, found }: ResultsParts): JSX.Element {
  const { records, size, cursor } = found
  const asked = Object.entries(values).map(
    ([name, value]) => `${name}=${encodeURIComponent(value)}`,
  )
  return (
    <section class="card" aria-labelledby="found-title">
      <h2 id="found-title">
        {records.length === 0
          ? 'No record has all of that'
          : `${counted(records.length, 'record')}${cursor === undefined ? '' : ', and there are more'}`}
      </h2>
      {records.length > 0 && (
        <EntryTable
          caption={`Found among the first ${grouped(size)} entries of the log`}
          rows={records.map(({ index, ...record }) => ({ index, kind: 'record', record }))}
          prefix={frame.prefix}
        />
      )}
      {cursor !== undefined && (
        <nav class="pages" aria-label="Pages of what was found">
          <a rel="next" href={`?${[...asked, `cursor=${cursor}`].join('&')}`}>
            More →
          </a>
        </nav>
      )}
    </section>
  )
}
