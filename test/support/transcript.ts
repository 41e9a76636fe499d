/**
 * Transcripts in documents: what a reader types, and what they then see. They are run as they stand there; what differs
 * from run to run (ids, keys, hashes, times) may differ, but each stands for the same thing wherever it occurs.
 */
import { VARYING, type VaryingKind } from './transcript-varying.ts'

/** A command of a transcript and what it leads to. */
export interface Step {
  readonly command: string
  /** What is shown, in which `…` stands for anything. */
  readonly printed: string
  readonly code: number
  /** Whether a server is ended first, which is shown as `^C`: that of the block, by its command. */
  readonly stops?: string
}

/** The steps of all `console` blocks of a document, in their order. @throws Error for a block of another form */
export function stepsOf(markdown: string): Step[] {
  return [...markdown.matchAll(/^```console\n([\s\S]*?)^```$/gm)].flatMap(([, text]) => {
    const [before, ...steps] = text!.split(/^\$ /m)
    if (before !== '' && before !== '^C\n') throw new Error(`a transcript begins with ${before}`)
    const stops = before === '' ? undefined : /^\$ cairn (serve|witness) --/m.exec(text!)?.[1]
    return steps.map((step, i) => ({ ...readStep(step), ...(i === 0 && stops && { stops }) }))
  })
}

function readStep(text: string): Step {
  const lines = text.trimEnd().split('\n')
  const rest = lines.slice(commandLength(lines))
  const [, code] = /^# exit (\d)$/.exec(rest.at(-1) ?? '') ?? []
  return {
    command: lines.slice(0, lines.length - rest.length).join('\n'),
    printed: (code === undefined ? rest : rest.slice(0, -1)).join('\n'),
    code: Number(code ?? 0),
  }
}

/** How many lines a command has: those that end in `\` go on, and a here-document ends with its word. */
function commandLength(lines: readonly string[]): number {
  const [, word] = /<<'(\w+)'/.exec(lines[0]!) ?? []
  if (word !== undefined) return lines.indexOf(word) + 1
  return lines.findIndex((line) => !line.endsWith('\\')) + 1
}

/** The words of a command that is nothing but words, perhaps quoted; undefined for one that takes a shell. */
export function wordsOf(command: string): string[] | undefined {
  const joined = command.replaceAll('\\\n', ' ')
  if (/[$`|;&<>()*?~\\]/.test(joined.replace(/'[^']*'/g, ''))) return undefined
  const words = joined.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? []
  return words.map((word) => word.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'))
}

/** What each varying text of a document is in this run. */
export type Meanings = Map<string, string>

/** A command with what its ids are in this run. */
export function inThisRun(command: string, meanings: Meanings): string {
  let text = command
  for (const [written, actual] of meanings) text = text.replaceAll(written, actual)
  return text
}

/**
 * Holds what was printed against what a document shows, and learns what its varying texts are in this run.
 * @returns what is wrong, or undefined
 */
export function difference(shown: string, printed: string, meanings: Meanings): string | undefined {
  const written: string[] = []
  const source = partsOf(shown)
    .map(({ text, kind }) => {
      if (text === '…') return '[\\s\\S]*?'
      if (kind === undefined) return escaped(text)
      if (!kind.isBound) return `(?:${kind.pattern})`
      written.push(text)
      return `(${kind.pattern})`
    })
    .join('')
  const match = new RegExp(`^${source}$`).exec(flat(printed))
  if (match === null) return `shown in the document:\n${shown}\nprinted:\n${printed}`
  for (const [i, text] of written.entries()) {
    const actual = match[i + 1]!
    const before = meanings.get(text)
    if (before !== undefined && before !== actual) return `${text} is ${before}, and here ${actual}`
    meanings.set(text, actual)
  }
  return undefined
}

interface Part {
  readonly text: string
  readonly kind?: VaryingKind
}

/** A text in its parts: what has to be there to the letter, and what varies. */
function partsOf(shown: string): Part[] {
  const any = new RegExp(`…|${VARYING.map(({ pattern }) => `(${pattern})`).join('|')}`, 'g')
  const text = flat(shown)
  const parts: Part[] = []
  let end = 0
  for (const match of text.matchAll(any)) {
    parts.push({ text: text.slice(end, match.index) })
    const kind = VARYING[match.slice(1).findIndex((group) => group !== undefined)]
    parts.push({ text: match[0], ...(kind && { kind }) })
    end = match.index + match[0].length
  }
  return [...parts, { text: text.slice(end) }]
}

/** Lines are broken by the width of a terminal and the length of what varies: no line break counts. */
function flat(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}

/** A text to the letter; before and after what stands for anything there need be no space. */
function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/^ | $/g, ' ?')
}
