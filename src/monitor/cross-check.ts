/**
 * Compares every head that anybody shows of a log with every other: heads of equal size by their roots, smaller ones with
 * the tree that was recomputed, larger ones once the tree has grown so far. What contradicts is written down as evidence.
 */
import { sha256 } from '#sha256'
import { equal, toBase64, toHex, utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { formatSplitView, inSplitOrder, type SplitView } from '../formats/split-view.ts'
import type { TileSource } from '../tiles/source.ts'
import { compareHeads } from '../tiles/split-view.ts'
import type { Memory } from './memory.ts'
import type { ShownHead } from './state.ts'

/** Files of evidence about one log at most: a log that forks all the time must not fill the disk. */
const MAX_EVIDENCE = 100
/** Heads that wait for the tree to grow at most. */
const MAX_PENDING = 64
/** Comparisons that are remembered. */
const MAX_AGREED = 4096

export interface CrossCheckOptions {
  readonly memory: Memory
  /** Keeps evidence durably, and gives its place. */
  readonly keepEvidence: (name: string, bytes: Uint8Array) => Promise<string>
  readonly now: () => number
}

export class CrossCheck {
  readonly #options: CrossCheckOptions
  readonly #memory: Memory
  /** Heads that were found to fit the tree. The tree only grows, so they always will. */
  readonly #agreed = new Set<string>()

  constructor(options: CrossCheckOptions) {
    this.#options = options
    this.#memory = options.memory
  }

  /** Takes a head that was shown, and compares it with all that can be compared with it now. @throws CORRUPT, IO */
  async consider(head: ShownHead): Promise<void> {
    const memory = this.#memory
    for (const other of memory.pending) {
      const isSize = other.checkpoint.size === head.checkpoint.size
      if (!isSize || equal(other.checkpoint.root, head.checkpoint.root)) continue
      const { first, second } = inOrder(head, other)
      await this.#contradiction(head, other, { first, second })
    }
    if (memory.head !== undefined && head.checkpoint.size <= memory.size) {
      await this.#compareWithTree(head)
    } else {
      this.#wait(head)
    }
  }

  /** Compares the heads that the tree has grown to meanwhile. @throws CORRUPT, IO */
  async resolve(): Promise<void> {
    const memory = this.#memory
    const due = memory.pending.filter(({ checkpoint }) => checkpoint.size <= memory.size)
    for (const head of due) await this.#compareWithTree(head)
    memory.pending = memory.pending.filter((head) => !due.includes(head))
  }

  /**
   * Compares the known head with a larger one, by the tiles of whoever shows it. Returns whether nothing contradicts.
   * @throws VERIFICATION_FAILED, NOT_FOUND, MALFORMED when its tiles do not tell; whatever the source throws
   */
  async compareAhead(larger: ShownHead, tiles: TileSource): Promise<boolean> {
    const { head } = this.#memory
    if (head === undefined) return true
    const compared = await compareHeads(head, larger, tiles)
    if (compared.kind === 'consistent') return true
    await this.#contradiction(larger, head, compared.evidence)
    // The tree will never grow to it.
    this.#memory.pending = this.#memory.pending.filter((other) => !isSame(other, larger))
    return false
  }

  /** Compares the heads that wait with a larger one whose tree could not be recomputed, as far as its tiles tell. */
  async comparePending(larger: ShownHead, tiles: TileSource): Promise<void> {
    const { pending, size } = this.#memory
    for (const head of pending) {
      const between = head.checkpoint.size > size && head.checkpoint.size < larger.checkpoint.size
      if (!between) continue
      const compared = await compareHeads(head, larger, tiles).catch(() => undefined)
      if (compared?.kind === 'split') await this.#contradiction(larger, head, compared.evidence)
    }
  }

  /** Whether a source shows what contradicts another. */
  isContradicting(source: string): boolean {
    return this.#memory.contradicting.has(source)
  }

  async #compareWithTree(shown: ShownHead): Promise<void> {
    const memory = this.#memory
    const head = memory.head!
    const { size, root } = shown.checkpoint
    const id = `${size} ${toBase64(root)}`
    if (!this.#agreed.has(id)) {
      const compared = await this.#fromTree(shown, head)
      if (compared.kind === 'split') {
        await this.#contradiction(shown, head, compared.evidence)
        return
      }
      if (this.#agreed.size === MAX_AGREED) this.#agreed.clear()
      this.#agreed.add(id)
    }
    memory.contradicting.delete(shown.source)
  }

  /** By the hashes that were kept, so that nobody has to show anything to prove a fork. */
  async #fromTree(shown: ShownHead, head: ShownHead) {
    try {
      return await compareHeads(shown, head, this.#memory.tree.source())
    } catch (cause) {
      const message = `the hashes kept of ${head.checkpoint.origin} are damaged (${this.#memory.place}: ${messageOf(cause)}): put back a copy of that folder, or move it away to start over`
      throw new CairnError('CORRUPT', message, { cause })
    }
  }

  /** Keeps a head until the tree has grown to it. The oldest ones stay: they are what a log would like forgotten. */
  #wait(head: ShownHead): void {
    const memory = this.#memory
    if (memory.pending.some((other) => isSame(other, head))) return
    const kept = [...memory.pending]
    if (kept.length >= MAX_PENDING) {
      const newest = kept.findLastIndex((other) => other.source === head.source)
      if (newest < 0) return
      kept.splice(newest, 1)
    }
    memory.pending = [...kept, head]
  }

  /** `shown` is the head that was looked at, `other` the one that it contradicts. */
  async #contradiction(shown: ShownHead, other: ShownHead, evidence: SplitView): Promise<void> {
    const { memory, now } = this.#options
    const { source } = shown
    const known = memory.alerts.get('split-view', source)
    const isNew = !memory.contradicting.has(source)
    memory.contradicting.add(source)
    // The branch that is known goes on growing; one proof of it is enough.
    if (!isNew && known?.evidence !== undefined) return
    const said = sentence(shown, other)
    const name = evidenceName(shown, other)
    const isKept = memory.evidence.includes(name)
    if (!isKept && memory.evidence.length >= MAX_EVIDENCE) {
      const message = `${said}; there are ${MAX_EVIDENCE} files of evidence already, so no further one is written`
      memory.alerts.found({ kind: 'split-view', source, message }, now(), isNew)
      return
    }
    try {
      const place = await this.#options.keepEvidence(name, utf8(formatSplitView(evidence)))
      if (!isKept) memory.evidence.push(name)
      const isNews = !isKept || known?.evidence !== place
      const finding = { kind: 'split-view', source, message: said, evidence: place } as const
      memory.alerts.found(finding, now(), isNews)
    } catch (error) {
      const message = `${said}; the evidence could not be written, and will be tried again: ${messageOf(error)}`
      memory.alerts.found({ kind: 'split-view', source, message }, now(), isNew)
    }
  }
}

function isSame(a: ShownHead, b: ShownHead): boolean {
  if (a.source !== b.source || a.checkpoint.size !== b.checkpoint.size) return false
  return equal(a.checkpoint.root, b.checkpoint.root)
}

function inOrder(a: ShownHead, b: ShownHead): { first: string; second: string } {
  const [first, second] = inSplitOrder(a, b)
  return { first: first.note, second: second.note }
}

/** `shown` is seen now, `other` was seen before or at another place. */
function sentence(shown: ShownHead, other: ShownHead): string {
  const { origin, size } = shown.checkpoint
  const now = `at ${shown.source}`
  const before = other.source === shown.source ? `there at ${timeOf(other)}` : `at ${other.source}`
  if (size === other.checkpoint.size) {
    return `${origin} has forked: it signed two different trees of ${size} entries, one seen ${now}, the other ${before}`
  }
  const larger = other.checkpoint.size
  return size < larger
    ? `${origin} has forked: the ${size} entries seen ${now} are not the first of the ${larger} seen ${before}`
    : `${origin} has forked: the first ${larger} of the ${size} entries seen ${now} are not those seen ${before}`
}

function timeOf({ since }: ShownHead): string {
  return new Date(since).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** A name that two heads have in whatever notes they come: `example.org_log-250-300-0123456789abcdef.split-view`. */
function evidenceName(a: ShownHead, b: ShownHead): string {
  const [{ checkpoint: first }, { checkpoint: second }] = inSplitOrder(a, b)
  const heads = [first, second].map(({ size, root }) => `${size} ${toBase64(root)}\n`).join('')
  const id = toHex(sha256(utf8(`${first.origin}\n${heads}`))).slice(0, 16)
  const origin = first.origin.replace(/[^A-Za-z0-9.-]+/g, '_').slice(0, 60)
  return `${origin}-${first.size}-${second.size}-${id}.split-view`
}
