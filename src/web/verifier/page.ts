/** The page: takes files and whom the reader trusts, and shows what holds. Nothing of it leaves the browser. */
import { toHex } from '../../bytes.ts'
import { fileKind } from '../../client/file-kind.ts'
import type { FileVerdict } from '../../client/verify-file.ts'
import { messageOf } from '../../errors.ts'
import { MAX_ENTRY_SIZE } from '../../formats/bundle.ts'
import { counted } from '../../formats/count.ts'
import { hashLeaf } from '../../merkle/hash.ts'
import { byId, el, onFiles, shown } from './dom.ts'
import { filesOf } from './dropped.ts'
import {
  type GivenFile,
  lonelyOf,
  type Role,
  rolesOf,
  START,
  type Task,
  tasksOf,
} from './given-files.ts'
import { bytesOf } from './judge.ts'
import { showLeaf } from './show-trail.ts'
import { answerOf, kindWords, recordOf, showCard, showVerdict, type Tone } from './show-verdict.ts'
import { trustBox } from './trust-box.ts'
import type { Judge } from './worker.ts'

/** Files that the page holds at most. */
const MAX_FILES = 500

const ROLE_WORDS: Readonly<Record<Role, string>> = {
  subject: 'to be checked',
  leaf: 'leaf or record of a receipt',
  data: 'checkpoint of a time-stamp',
  authorities: 'certificates of authorities',
}

/** Brings the page to life. */
export function startPage(judge: Judge): void {
  const given = byId('given', HTMLElement)
  const verdicts = byId('verdicts', HTMLElement)
  const status = byId('status', HTMLElement)
  let files: readonly GivenFile[] = []
  let lastId = 0
  /** What is shown of each task, by all that goes into its verdict. */
  let cards = new Map<string, HTMLElement>()
  const trust = trustBox(refresh)
  const say = (text: string): void => {
    status.textContent = shown(text)
  }

  async function take(list: readonly File[]): Promise<void> {
    const room = MAX_FILES - files.length
    if (list.length > room) {
      say(`This page takes ${MAX_FILES} files at a time; the others are left out.`)
    }
    for (const file of list.slice(0, room)) {
      try {
        const start = await bytesOf(file.slice(0, START))
        if (trust.isFor(file, start)) await trust.take(file)
        else files = [...files, { id: ++lastId, name: file.name, content: file, start }]
      } catch (error) {
        say(`${file.name}: ${messageOf(error)}`)
      }
    }
    refresh()
  }

  function refresh(): void {
    showGiven()
    const isTrusting = trust.isUsable
    const tasks = tasksOf(files)
    const next = new Map<string, HTMLElement>()
    for (const task of tasks) {
      const key = isTrusting ? keyOf(task, trust.text) : `waiting ${task.subject.id}`
      next.set(key, cards.get(key) ?? (isTrusting ? judged(task) : untrusting(task)))
    }
    for (const file of lonelyOf(files, tasks)) {
      const key = `lonely ${file.id}`
      next.set(key, cards.get(key) ?? lonely(file))
    }
    cards = next
    verdicts.replaceChildren(...next.values())
    byId('none', HTMLElement).hidden = next.size > 0
  }

  function showGiven(): void {
    const roles = rolesOf(files)
    const focused = document.activeElement?.id
    given.replaceChildren(...files.map((file) => fileRow(file, roles.get(file.id)!)))
    if (focused !== undefined && focused !== '') document.getElementById(focused)?.focus()
  }

  function fileRow(file: GivenFile, role: Role): HTMLElement {
    const { id, name, content, start } = file
    const choice = el(
      'select',
      { id: `role-${id}`, 'aria-label': `What ${name} is there for` },
      Object.entries(ROLE_WORDS).map(([value, words]) =>
        el('option', { value, selected: value === role }, words),
      ),
    )
    choice.addEventListener('change', () => {
      const chosen = choice.value as Role
      files = files.map((one) => (one.id === id ? { ...one, chosen } : one))
      refresh()
    })
    const remove = el(
      'button',
      { type: 'button', class: 'quiet', 'aria-label': `Remove ${name}` },
      'Remove',
    )
    remove.addEventListener('click', () => {
      files = files.filter((one) => one.id !== id)
      refresh()
      say(`${name} is removed.`)
      byId('choose', HTMLInputElement).focus()
    })
    const kind = fileKind(start)
    const size = counted(content.size, 'byte')
    return el(
      'li',
      {},
      el('span', { class: 'name' }, name),
      el('span', { class: 'soft' }, role === 'subject' ? `${kindWords(kind)}, ${size}` : size),
      choice,
      remove,
    )
  }

  function untrusting({ subject, kind }: Task): HTMLElement {
    return showCard({
      name: subject.name,
      tone: 'open',
      answer: 'Not checked yet',
      what: kindWords(kind),
      finding: 'Say first whose signatures you trust',
    })
  }

  /** A card that says that the check is on, and becomes the verdict. */
  function judged(task: Task): HTMLElement {
    const { subject, kind } = task
    const { name } = subject
    const what = kindWords(kind)
    const card = showCard({ name, tone: 'open', answer: 'Checking', what, finding: 'One moment' })
    answerTo(task).then(
      ({ verdict, leaf }) =>
        settle(card, showVerdict(name, verdict, leaf), name, answerOf(verdict).answer),
      (error: unknown) => {
        const finding = `${messageOf(error)}. Do not rely on this file`
        const failed = showCard({ name, tone: 'bad', answer: 'Not verified', what, finding })
        settle(card, failed, name, 'Not verified')
      },
    )
    return card
  }

  function settle(card: HTMLElement, result: HTMLElement, name: string, answer: string): void {
    const [key] = [...cards].find(([, shown]) => shown === card) ?? []
    // It was asked about something else meanwhile.
    if (key === undefined) return
    cards.set(key, result)
    card.replaceWith(result)
    const { size } = cards
    say(size === 1 ? `${name}: ${answer}.` : summary())
  }

  /** Of many files the numbers, rather than each of them. */
  function summary(): string {
    const having = (tone: Tone): number => verdicts.querySelectorAll(`article.${tone}`).length
    const counts = [
      [having('good') + having('alarm'), 'verified'],
      [having('bad'), 'not verified'],
      [having('open'), 'open'],
    ] as const
    const words = counts.flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`]))
    return `${words.join(', ')}.`
  }

  async function answerTo(task: Task): Promise<{ verdict: FileVerdict; leaf?: Uint8Array }> {
    const { subject, leaf, data, authorities } = task
    const verdict = await judge({
      subject: subject.content,
      trust: trust.text,
      ...(leaf && { leaf: leaf.content }),
      ...(data && { data: data.content }),
      ...(authorities && { authorities: authorities.content }),
    })
    const isLeaf = leaf !== undefined && leaf.content.size <= MAX_ENTRY_SIZE
    return { verdict, ...(isLeaf && { leaf: leaf.start }) }
  }

  function lonely({ name, content, start }: GivenFile): HTMLElement {
    const isLeaf = content.size > 0 && content.size <= MAX_ENTRY_SIZE
    const record = isLeaf ? recordOf(start) : undefined
    const hash = isLeaf ? `. Its leaf hash is ${toHex(hashLeaf(start))}` : ''
    return showCard(
      {
        name,
        tone: 'open',
        answer: 'Not checked',
        what: record === undefined ? 'leaf' : 'record',
        finding: `${record === undefined ? 'a leaf' : 'a record'} proves nothing without its receipt: add that as well${hash}`,
      },
      record && [
        el('h4', {}, 'What it says, which is not proven'),
        showLeaf(record, undefined, false),
      ],
    )
  }

  for (const id of ['choose', 'choose-folder']) {
    onFiles(byId(id, HTMLInputElement), (list) => void take(list))
  }
  onDrop(
    (list) => void take(list),
    (reason) => {
      say(reason)
    },
  )
  byId('clear', HTMLButtonElement).addEventListener('click', () => {
    files = []
    refresh()
    say('All files are removed.')
  })
  refresh()
}

function keyOf({ subject, leaf, data, authorities }: Task, trust: string): string {
  const ids = [subject, leaf, data, authorities].map((file) => file?.id ?? 0)
  return `${ids.join(' ')} ${trust}`
}

/** Files may be dropped anywhere; a page that opened them instead would be gone. */
function onDrop(take: (files: File[]) => void, say: (reason: string) => void): void {
  const { body } = document
  body.addEventListener('dragover', (event) => {
    event.preventDefault()
    body.classList.add('dragging')
  })
  body.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) body.classList.remove('dragging')
  })
  body.addEventListener('drop', (event) => {
    event.preventDefault()
    body.classList.remove('dragging')
    if (event.dataTransfer === null) return
    filesOf(event.dataTransfer, MAX_FILES).then(take, (error: unknown) =>
      say(`What was dropped cannot be read: ${messageOf(error)}`),
    )
  })
}
