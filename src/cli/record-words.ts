/** How the commands say what is in a record. */
import type { FoundRecord } from '../client/record-answers.ts'
import type { RecordMetrics, RecordModel } from '../formats/record.ts'
import { costText, guardrailText } from '../reports/record-stages.ts'
import { GROUP_OF, type TypeGroup } from '../reports/words.ts'
import { printable, type Style } from './style.ts'

/** `p_abcdefghijklmnopqrstuw` → `p_abcdef…`; any other name stays. */
export function shortPerson(name: string): string {
  return /^p_[A-Za-z0-9_-]{22}$/.test(name) ? `${name.slice(0, 8)}…` : printable(name)
}

/** `model 1.2`. */
export function modelWords({ name, version }: Pick<RecordModel, 'name' | 'version'>): string {
  return printable([name, version].filter((part) => part !== undefined).join(' '))
}

/** `EUR 0.25`; nothing where no cost is said. */
export function costOf(metrics: Pick<RecordMetrics, 'cost' | 'currency'>): string {
  return printable(costText(metrics))
}

/** `✓ pii` for one that let it pass, `✗ pii block` for any other. */
export function guardrailWords(guardrail: NonNullable<FoundRecord['guardrails']>[number]): string {
  return printable(guardrailText(guardrail))
}

/** Text in the colour of what a type of record is about. */
export function typeToned(text: string, type: string, style: Style): string {
  const group = (GROUP_OF as Readonly<Record<string, TypeGroup | undefined>>)[type]
  switch (group) {
    case 'use':
      return style.cyan(text)
    case 'change':
      return style.yellow(text)
    case 'oversight':
      return style.green(text)
    default:
      return style.bold(text)
  }
}
