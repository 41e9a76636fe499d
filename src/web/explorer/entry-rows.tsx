/** Entries as a table: a row each, the newest first. */
import type { JSX } from 'hono/jsx/jsx-runtime'
import { toHex } from '../../bytes.ts'
import { grouped } from '../../formats/count.ts'
import { visible } from '../../formats/html.ts'
import type { RecordLeaf } from '../../formats/record.ts'
import { costText, guardrailText, hasPassed } from '../../reports/record-stages.ts'
import { shortTime, typeWords } from '../../reports/words.ts'
import { bytesText, shortHash } from './words.ts'

/** What a table says of a record. */
export interface ListedRecord extends Pick<RecordLeaf, 'time' | 'type'> {
  readonly action?: string | undefined
  readonly request_id?: string | undefined
  readonly metrics?: RecordLeaf['metrics'] | undefined
  readonly model?:
    | { readonly name?: string | undefined; readonly version?: string | undefined }
    | undefined
  readonly guardrails?:
    | readonly { readonly name?: string | undefined; readonly verdict?: string | undefined }[]
    | undefined
}

/** An entry of a list: a record, bytes that are none, or only its hash where entries are not for everyone. */
export type EntryRow = { readonly index: number } & (
  | { readonly kind: 'record'; readonly record: ListedRecord }
  | { readonly kind: 'bytes'; readonly size: number; readonly hash: Uint8Array }
  | { readonly kind: 'hash'; readonly hash: Uint8Array }
)

export interface EntryTableParts {
  readonly caption: string
  readonly rows: readonly EntryRow[]
  readonly prefix: string
}

const COLUMNS = {
  records: ['Time (UTC)', 'What', 'Model', 'Request', 'Notes'],
  hashes: ['What', 'Leaf hash'],
}

export function EntryTable({ caption, rows, prefix }: EntryTableParts): JSX.Element {
  const hasRecords = rows.some(({ kind }) => kind === 'record')
  return (
    <section class="scroll" tabindex={0} aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            <th scope="col" class="n">
              Entry
            </th>
            {COLUMNS[hasRecords ? 'records' : 'hashes'].map((name) => (
              <th scope="col">{name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              <th scope="row" class="n">
                <a href={`${prefix}/explore/entries/${row.index}`}>{grouped(row.index)}</a>
              </th>
              {row.kind === 'record' ? (
                <RecordCells record={row.record} />
              ) : (
                <HashCells row={row} wide={hasRecords} />
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

interface HashCellsParts {
  readonly row: Exclude<EntryRow, { kind: 'record' }>
  /** Whether there are records in other rows. */
  readonly wide: boolean
}

function HashCells({ row, wide }: HashCellsParts): JSX.Element {
  const what = row.kind === 'bytes' ? `${bytesText(row.size)}, no record` : 'not public'
  if (!wide) {
    return (
      <>
        <td class="soft nowrap">{what}</td>
        <td class="mono">{toHex(row.hash)}</td>
      </>
    )
  }
  return (
    <>
      <td />
      <td class="soft">{what}</td>
      <td />
      <td />
      <td class="soft nowrap">
        hash <span class="mono">{shortHash(row.hash)}…</span>
      </td>
    </>
  )
}

function RecordCells({ record }: { record: ListedRecord }): JSX.Element {
  const { time, type, action, model, request_id, guardrails = [], metrics } = record
  const stopped = guardrails.filter(({ verdict }) => verdict !== undefined && !hasPassed(verdict))
  const named = [model?.name, model?.version].filter((text) => text !== undefined)
  return (
    <>
      <td class="nowrap">
        <time datetime={time}>{shortTime(time)}</time>
      </td>
      <td class="word">
        {typeWords(visible(type))}
        {action !== undefined && <span class="soft">: {visible(action)}</span>}
      </td>
      <td class="word">{visible(named.join(' '))}</td>
      <td class="word">{request_id !== undefined && visible(request_id)}</td>
      <td class="word">
        {stopped.map((guardrail) => (
          <span class="bad">{visible(guardrailText(guardrail))} </span>
        ))}
        {metrics !== undefined && <span class="soft">{visible(costText(metrics))}</span>}
      </td>
    </>
  )
}
