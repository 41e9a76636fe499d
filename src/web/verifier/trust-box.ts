/** The box for a policy or keys: typed, pasted or from a file, with a sentence below that says what it comes to. */
import { fromUtf8 } from '../../bytes.ts'
import { messageOf } from '../../errors.ts'
import { byId, onFiles, shown } from './dom.ts'
import { bytesOf } from './judge.ts'
import { looksLikeTrust, readTrustText, trustWords } from './trust-text.ts'

/** Larger than any text of whom to trust. */
const MAX_FILE_SIZE = 1_000_000
/** Milliseconds without a key pressed before what was typed is read. */
const TYPING = 250

export interface TrustBox {
  readonly text: string
  /** Whether what stands in it can be used. */
  readonly isUsable: boolean
  /** Whether a file is for this box, by its beginning. */
  isFor(file: Blob, start: Uint8Array): boolean
  /** Puts the text of a file into it. */
  take(file: File): Promise<void>
}

interface State {
  readonly tone: 'good' | 'bad' | 'open'
  readonly words: string
}

/** @param onChange told after what stands in it is another text */
export function trustBox(onChange: () => void): TrustBox {
  const box = byId('trust', HTMLTextAreaElement)
  const line = byId('trust-state', HTMLElement)

  function read(): void {
    show(stateOf(box.value))
    onChange()
  }

  function show({ tone, words }: State): void {
    line.className = `state ${tone}`
    line.textContent = shown(words)
    box.setAttribute('aria-invalid', String(tone === 'bad'))
  }

  let typing: ReturnType<typeof setTimeout> | undefined
  /** Reads what was typed just now, so that it is not read after what comes next. */
  function settle(): void {
    if (typing === undefined) return
    clearTimeout(typing)
    typing = undefined
    read()
  }

  async function take(file: File): Promise<void> {
    settle()
    try {
      if (file.size > MAX_FILE_SIZE) throw new Error('it is too large for that')
      box.value = fromUtf8(await bytesOf(file), 'the file')
    } catch (error) {
      // What stands in the box is still what counts.
      const words = `${file.name} is neither a policy nor keys: ${messageOf(error)}.`
      return show({ tone: 'bad', words })
    }
    read()
  }

  box.addEventListener('input', () => {
    clearTimeout(typing)
    typing = setTimeout(settle, TYPING)
  })
  onFiles(byId('choose-trust', HTMLInputElement), ([file]) => {
    if (file !== undefined) void take(file)
  })
  show(stateOf(box.value))
  return {
    get text() {
      return box.value
    },
    get isUsable() {
      return stateOf(box.value).tone === 'good'
    },
    isFor: ({ size }, start) => size <= MAX_FILE_SIZE && isTrust(start),
    take,
  }
}

function stateOf(text: string): State {
  if (text.trim() === '') return { tone: 'open', words: 'Nothing yet.' }
  try {
    return { tone: 'good', words: `Trusted: ${trustWords(readTrustText(text))}.` }
  } catch (error) {
    return { tone: 'bad', words: `This cannot be used: ${messageOf(error)}.` }
  }
}

function isTrust(start: Uint8Array): boolean {
  try {
    return looksLikeTrust(fromUtf8(start))
  } catch {
    return false
  }
}
