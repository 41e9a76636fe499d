/** A record as a timeline: the way of a request from who asked to what came of it. */
import type { JSX } from 'hono/jsx/jsx-runtime'
import { visible } from '../../formats/html.ts'
import type { RecordLeaf } from '../../formats/record.ts'
import { recordStages, type ShownPayload, type StageFact } from '../../reports/record-stages.ts'
import { visibleLines } from './words.ts'

const CLASSES: Readonly<Record<StageFact['tone'], string>> = {
  clear: '',
  shown: 'shown',
  sealed: '',
  good: 'good',
  bad: 'bad',
}

/** Beyond so many characters a value is folded. */
const LONG = 1_200

export interface TimelineParts {
  readonly record: RecordLeaf
  readonly payload: ShownPayload | undefined
}

export function RecordTimeline({ record, payload }: TimelineParts): JSX.Element {
  return (
    <ol class="timeline">
      {recordStages(record, payload).map(({ name, facts }) => (
        <li>
          <h3>{name}</h3>
          <dl>
            {facts.map((fact) => (
              <>
                {/* A list of terms needs one for each value. */}
                <dt>
                  {fact.label === '' ? <span class="hidden">{name}</span> : visible(fact.label)}
                </dt>
                <dd class={`${CLASSES[fact.tone]}${fact.label === '' ? ' wide' : ''}`}>
                  <Value fact={fact} />
                </dd>
              </>
            ))}
          </dl>
        </li>
      ))}
    </ol>
  )
}

function Value({ fact: { text, tone } }: { fact: StageFact }): JSX.Element {
  if (tone === 'sealed') {
    const words = visible(text.replace(/^▒+ /, ''))
    // A pseudonym is told; what is behind a commitment is not.
    return words === text ? <span>{words}</span> : <span class="sealed">{words}</span>
  }
  if (text.length <= LONG) return <span>{visibleLines(text)}</span>
  return (
    <details>
      <summary>{visibleLines(text.slice(0, 200))}…</summary>
      {visibleLines(text)}
    </details>
  )
}
