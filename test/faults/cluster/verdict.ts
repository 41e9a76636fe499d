/** What came of a run: all that was said during it is held against the log that is left. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fromBase64, utf8 } from '../../../src/bytes.ts'
import { createLogClient } from '../../../src/client/log-client.ts'
import { openCheckpoint } from '../../../src/formats/open-checkpoint.ts'
import { verifyConsistency } from '../../../src/merkle/consistency.ts'
import { type NodeHash, rootHash } from '../../../src/merkle/hash.ts'
import { treeSize } from '../../../src/merkle/position.ts'
import { CLI } from '../../support/cairn-process.ts'
import { archived, claimedSize, publishedAt } from './heads.ts'
import type { Journal } from './journal.ts'
import { exchange } from './request.ts'
import { siteOf } from './site.ts'
import { type Stage, withoutSettings } from './stage.ts'

/** Longer than it takes until an idle log looks at its archive. */
const CATCH_UP_MS = 90_000
const LOOK_MS = 200
const ANSWER_MS = 10_000
/** Recorded heads whose consistency a server is asked to prove, and that an audit is given. */
const PROVEN = 100
const GIVEN = 10

/** The largest head at the end, and the server that shows it. */
export interface FinalHead {
  readonly checkpoint: string
  readonly url: string
}

/**
 * Waits until every server takes submissions and shows a head with all leaves, and the archive too. Returns the largest
 * head that one shows, and what did not come to pass.
 */
export async function caughtUp(
  stage: Stage,
): Promise<{ readonly head: FinalHead | undefined; readonly late: readonly string[] }> {
  const until = performance.now() + CATCH_UP_MS
  for (;;) {
    const late: string[] = []
    const size = await stage.sequencedSize().catch((error: unknown) => {
      late.push(`the database does not answer: ${String(error)}`)
      return -1
    })
    let head: FinalHead | undefined
    for (const { name, url, output } of stage.members) {
      const note = await publishedAt(url).catch(() => undefined)
      const ready = await exchange(`${url}/readyz`, { timeoutMs: ANSWER_MS }).catch(() => undefined)
      if (claimedSize(note) !== size) {
        late.push(`${name} shows a head of ${claimedSize(note)} leaves, not ${size}`)
      }
      if (note !== undefined && claimedSize(note) > claimedSize(head?.checkpoint)) {
        head = { checkpoint: note, url }
      }
      if (ready?.status !== 200) {
        late.push(`${name} is not ready: ${ready?.body.toString() ?? output().slice(-1_000)}`)
      }
    }
    const inArchive = claimedSize(await archived(stage).catch(() => undefined))
    if (inArchive !== size) late.push(`the archive has ${inArchive} leaves, not ${size}`)
    if (late.length === 0 || performance.now() > until) return { head, late }
    await sleep(LOOK_MS)
  }
}

/** Has servers prove that heads which were seen are of the final tree. Returns what did not hold, in words. */
export async function unproven(
  stage: Stage,
  journal: Journal,
  checkpoint: string,
): Promise<string[]> {
  const { size, root } = openCheckpoint(utf8(checkpoint), stage.keys).checkpoint
  const wrong: string[] = []
  for (const [i, head] of sampleOf(journal, PROVEN).entries()) {
    if (head.size === 0 || head.size >= size) continue
    const { name, url } = stage.members[i % stage.members.length]!
    try {
      const path = `${url}/v1/proofs/consistency/${head.size}/${size}`
      const { status, body } = await exchange(path, { timeoutMs: ANSWER_MS })
      if (status !== 200) throw new Error(`it answered ${status}: ${body.toString()}`)
      const { consistency_path } = JSON.parse(body.toString()) as { consistency_path: string[] }
      const proof = consistency_path.map((hash) => fromBase64(hash) as NodeHash)
      verifyConsistency(treeSize(head.size), size, proof, rootHash(fromBase64(head.root)), root)
    } catch (error) {
      wrong.push(`${name} does not prove the head of size ${head.size} consistent: ${error}`)
    }
  }
  return wrong
}

/** Audits what every server shows. Returns what an audit said that is not clean. */
export async function auditServers(stage: Stage, journal: Journal): Promise<string[]> {
  const given: string[] = []
  for (const [i, { note }] of sampleOf(journal, GIVEN).entries()) {
    const file = join(stage.place, `seen-${i}.checkpoint`)
    await writeFile(file, note)
    given.push('--checkpoint', file)
  }
  const wrong: string[] = []
  for (const { name, url } of stage.members) {
    wrong.push(...(await audit(name, url, [...given, '--vkey', stage.vkeyFile])))
  }
  return wrong
}

/** Audits the archive as a static site, once nothing else runs. */
export async function auditArchive(stage: Stage): Promise<string[]> {
  const site = await siteOf(stage.archive.store)
  try {
    return await audit('the bucket', site.url, ['--vkey', stage.vkeyFile])
  } finally {
    await site.close()
  }
}

function audit(name: string, url: string, flags: readonly string[]): Promise<string[]> {
  return new Promise((resolve) => {
    const args = [CLI, 'audit', url, ...flags]
    execFile(process.execPath, args, withoutSettings(), (error, stdout, stderr) => {
      resolve(error === null ? [] : [`the audit of ${name} is not clean:\n${stdout}${stderr}`])
    })
  })
}

/** Heads from all of the run. */
function sampleOf({ heads }: Journal, most: number): Journal['heads'] {
  const step = Math.max(1, heads.length / most)
  return Array.from(
    { length: Math.min(most, heads.length) },
    (_, i) => heads[Math.floor(i * step)]!,
  )
}

/** The entries and tiles of a server. */
export function sourceAt(url: string) {
  return createLogClient({ url }).tileSource()
}
