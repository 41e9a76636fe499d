/** The verdict on a file as one page for people: self-contained, without script, to be read on a screen or printed. */
import { sha256 } from '#sha256'
import { toHex } from '../bytes.ts'
import { checkMeaning } from '../client/check-words.ts'
import type { Check, Trust } from '../client/verdict.ts'
import { type FileVerdict, KIND_WORDS } from '../client/verify-file.ts'
import { counted, grouped } from '../formats/count.ts'
import { type Content, html, type Markup } from './markup.ts'
import { pageDocument } from './page-document.ts'
import { none, section, table } from './page-parts.ts'
import { trailTable } from './verdict-trail.ts'
import { timeWords } from './words.ts'

/** Who made the page, when, and whom it believes. */
interface Made {
  readonly trust: Trust
  /** The file of those who are trusted with the time, and its SHA-256 in hexadecimal. */
  readonly authorities?: { readonly file: string; readonly sha256: string }
  /** RFC 3339. */
  readonly checked: string
  /** Name and version. */
  readonly program: string
}

export interface VerdictPage extends Made {
  /** The name of the file. */
  readonly file: string
  /** Bytes. */
  readonly size: number
  /** Hexadecimal. */
  readonly sha256: string
  readonly verdict: FileVerdict
  /** When a time-stamp was made, in words; when it is proven. */
  readonly time?: string
}

export interface FolderPage extends Made {
  readonly folder: string
  readonly ok: boolean
  /** What was looked at, in words. */
  readonly counts: string
  readonly verified: number
  readonly failures: readonly FileRow[]
  /** Those that hold, or the first of them. */
  readonly good: readonly FileRow[]
  /** Time-stamps that were left alone. */
  readonly unchecked: number
}

export interface FileRow {
  readonly file: string
  readonly verdict: Pick<FileVerdict, 'kind' | 'finding'>
}

interface PageSection {
  readonly id: string
  readonly title: string
  readonly body: Content
}

/** The page on one file. Every text that comes from the file is escaped. */
export function verdictPage(page: VerdictPage): string {
  const { file, size, sha256, verdict } = page
  const facts = html`<dt>File</dt><dd>${file}, ${counted(size, 'byte')}</dd>
<dt>SHA-256</dt><dd class="mono">${sha256}</dd>
<dt>Kind</dt><dd>${KIND_WORDS[verdict.kind]}</dd>
`
  return document(page, file, facts, banner(bannerOf(verdict), verdict.finding), [
    { id: 'checks', title: 'What was checked', body: checkTable(verdict.checks) },
    ...proven(page),
    ...trail(verdict),
    { id: 'trust', title: 'Whom this verdict believes', body: trustTables(page) },
    { id: 'about', title: 'About this page', body: about(`cairn verify ${file} …`) },
  ])
}

/** The page on a folder: a row for each file. */
export function folderPage(page: FolderPage): string {
  const { folder, ok, counts, verified, failures, good, unchecked } = page
  const facts = html`<dt>Folder</dt><dd>${folder}</dd>
<dt>Looked at</dt><dd>${counts}</dd>
`
  const finding = ok
    ? `everything that was looked at holds: ${counts}`
    : `${grouped(failures.length)} of ${grouped(failures.length + verified)} files do not hold; they are named below`
  return document(page, folder, facts, banner(ok ? 'intact' : 'broken', finding), [
    {
      id: 'failures',
      title: 'What does not hold',
      body:
        failures.length === 0 ? none('Nothing failed.') : fileTable('Files that fail', failures),
    },
    {
      id: 'good',
      title: 'What holds',
      body: [
        good.length === 0 ? none('Nothing holds.') : fileTable('Files that hold', good),
        verified > good.length &&
          html`<p class="soft small">${counted(verified - good.length, 'further file holds', 'further files hold')} and is not listed here.</p>
`,
        unchecked > 0 &&
          html`<p>${counted(unchecked, 'time-stamp was', 'time-stamps were')} not checked, as nobody was named who is trusted with the time.</p>
`,
      ],
    },
    { id: 'trust', title: 'Whom this verdict believes', body: trustTables(page) },
    { id: 'about', title: 'About this page', body: about(`cairn verify ${folder} …`) },
  ])
}

function document(
  { checked, program }: Made,
  name: string,
  facts: Markup,
  top: Markup,
  sections: readonly PageSection[],
): string {
  const body = html`<header>
<p class="kicker">Verification report</p>
<h1>${name}</h1>
<dl class="facts">
${facts}<dt>Checked</dt><dd>${timeWords(checked)}, by the clock of the machine that checked it, with ${program}</dd>
</dl>
</header>
<main>
${top}${sections.map(({ id, title, body }, i) => section(id, i + 1, title, body))}</main>
<footer>Made ${timeWords(checked)} with ${program}, offline.</footer>
`
  return pageDocument({
    title: html`Verification of ${name}`,
    footline: 'Verification report',
    body,
  })
}

type Banner = 'intact' | 'confirmed' | 'broken'

const BANNERS: Readonly<Record<Banner, readonly [title: string, style: string]>> = {
  intact: ['Verified', 'intact'],
  confirmed: ['Confirmed: this log has contradicted itself', 'unproven'],
  broken: ['Not verified', 'broken'],
}

const SIGNS: Readonly<Record<Banner, Markup>> = {
  intact: html`<path d="M12 2.5l8 3v6c0 5-3.4 8.4-8 10-4.6-1.6-8-5-8-10v-6z"/><path d="M8.3 12l2.6 2.6 4.9-5"/>`,
  confirmed: html`<path d="M12 2.5l8 3v6c0 5-3.4 8.4-8 10-4.6-1.6-8-5-8-10v-6z"/><path d="M12 8v4.5M12 16v.1"/>`,
  broken: html`<path d="M8 2.5h8L21.5 8v8L16 21.5H8L2.5 16V8z"/><path d="M9 9l6 6M15 9l-6 6"/>`,
}

function bannerOf({ ok, kind }: FileVerdict): Banner {
  if (!ok) return 'broken'
  return kind === 'split-view' ? 'confirmed' : 'intact'
}

function banner(which: Banner, finding: string): Markup {
  const [title, style] = BANNERS[which]
  const sentence = `${finding.charAt(0).toUpperCase()}${finding.slice(1)}.`
  return html`<div class="verdict ${style}"><svg viewBox="0 0 24 24" aria-hidden="true">${SIGNS[which]}</svg><p><strong class="${style}">${title}</strong>${sentence}${
    which === 'broken' && ' Do not rely on it.'
  }</p></div>
`
}

const STATUS: Readonly<Record<Check['status'], readonly [word: string, style: string]>> = {
  held: ['held', 'intact'],
  failed: ['failed', 'broken'],
  skipped: ['not made', 'unproven'],
}

function checkTable(checks: readonly Check[]): Markup {
  return table({
    caption: 'Checks, in the order in which they were made',
    columns: [
      { head: 'Check', kind: 'word' },
      { head: 'Outcome', kind: 'nowrap' },
      { head: 'Finding', kind: 'word' },
    ],
    rows: checks.map(({ name, status, detail }) => {
      const [word, style] = STATUS[status]
      const meaning = checkMeaning(name)
      return {
        cells: [
          html`<strong>${name}</strong>${meaning !== undefined && html`<br><span class="soft">${meaning}</span>`}`,
          html`<span class="tag ${style}">${word}</span>`,
          detail,
        ],
      }
    }),
  })
}

/** The facts that are proven, one by one. */
function proven({ verdict, time }: VerdictPage): PageSection[] {
  const { ok, origin, index, size, root } = verdict
  if (!ok) return []
  const heads = verdict.kind === 'split-view' ? (verdict.heads ?? []) : []
  const authority = verdict.kind === 'time-stamp' ? verdict.proven?.authority : undefined
  const facts: readonly (readonly [name: string, value: Content])[] = [
    ['Log', origin],
    ['Index of the entry', index === undefined ? undefined : grouped(index)],
    ['Entries in the tree', size === undefined ? undefined : grouped(size)],
    ['Root hash', root && html`<span class="mono">${toHex(root)}</span>`],
    ['Time', time],
    ['By the authority', authority],
    ...heads.map((head, i): readonly [string, Content] => [
      i === 0 ? 'One signed state' : 'The other',
      html`${counted(head.size, 'entry', 'entries')}, root hash <span class="mono">${toHex(head.root)}</span>`,
    ]),
  ]
  const known = facts.filter(([, value]) => value !== undefined)
  const body = html`<dl class="facts">
${known.map(
  ([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>
`,
)}</dl>
`
  return [{ id: 'facts', title: 'What is proven', body }]
}

function trail(verdict: FileVerdict): PageSection[] {
  if (verdict.kind !== 'evidence' || verdict.records.length === 0) return []
  return [{ id: 'records', title: 'The records', body: trailTable(verdict) }]
}

function fileTable(caption: string, rows: readonly FileRow[]): Markup {
  return table({
    caption,
    columns: [
      { head: 'File', kind: 'word' },
      { head: 'Kind', kind: 'word' },
      { head: 'Finding', kind: 'word' },
    ],
    rows: rows.map(({ file, verdict }) => ({
      cells: [file, KIND_WORDS[verdict.kind], verdict.finding],
    })),
  })
}

function trustTables({ trust: { logKeys, policy }, authorities }: Made): Content {
  const logs = [...logKeys, ...(policy?.logs ?? []).map(({ key }) => key)]
  const seen = new Set<string>()
  const keys = [
    ...logs.map((key) => ({ role: 'log', name: key.name, key })),
    ...(policy?.witnesses ?? []).map(({ key }) => ({ role: 'witness', name: key.name, key })),
  ].filter(({ role, key }) => {
    const id = `${role} ${key.name} ${key.keyId} ${toHex(key.publicKey)}`
    return !seen.has(id) && seen.add(id)
  })
  const quorum =
    policy === undefined
      ? 'No policy was given, so no witness was asked for.'
      : policy.quorum === undefined
        ? 'The policy demands no witness.'
        : `The policy demands the quorum ${policy.quorum}${groupWords(policy.groups, policy.quorum)}.`
  return [
    html`<p>Every finding above follows from the file and from these keys. Whoever reads this page has to know that they are
the right ones: they came from whoever ran the check, and not from the file.</p>
`,
    table({
      caption: 'Keys that were trusted',
      columns: [
        { head: 'Role', kind: 'nowrap' },
        { head: 'Name', kind: 'word' },
        { head: 'Type', kind: 'nowrap' },
        { head: 'Key id', kind: 'nowrap mono' },
        { head: 'SHA-256 of the key', kind: 'mono' },
      ],
      rows: keys.map(({ role, name, key }) => ({
        // The key id is short, and tells keys of one log apart; it does not tell them from a forger's.
        cells: [role, name, key.type, key.keyId, toHex(sha256(key.publicKey))],
      })),
    }),
    html`<p>${quorum}</p>
`,
    authorities !== undefined &&
      html`<p>With the time were trusted those whose certificates are in ${authorities.file} (SHA-256 <span class="mono">${authorities.sha256}</span>).</p>
`,
  ]
}

function groupWords(groups: NonNullable<Trust['policy']>['groups'], name: string): string {
  const group = groups.find((one) => one.name === name)
  return group === undefined ? '' : `: ${grouped(group.threshold)} of ${group.members.join(', ')}`
}

function about(command: string): Markup {
  return html`<p><strong>What it is.</strong> The outcome of a check that was made from the file alone, without asking the log, or
anybody, over a network. A check that is “not made” was not asked for, or could not be reached because one before it
failed; nothing follows from it.</p>
<p><strong>What it is not.</strong> This page is not itself a proof: it is as good as whoever made it. The file is the proof.
Keep it, and check it again, with this program or another, on a machine that you trust:</p>
<p class="mono">${command}</p>
`
}
