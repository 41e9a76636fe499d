/**
 * A log and three witnesses, each a process of its own, of which two of three must cosign: what is promised while some
 * of them are killed, and when the log's data comes back from a snapshot.
 */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/bytes.ts'
import { verifyReceipt } from '../../src/client/verify-receipt.ts'
import { verifySplitView } from '../../src/client/verify-split-view.ts'
import { originHash } from '../../src/client/witness-client.ts'
import { parseCheckpoint } from '../../src/formats/checkpoint.ts'
import { parseNote } from '../../src/formats/note.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { type Policy, parsePolicy } from '../../src/formats/policy.ts'
import { formatVkey, type VerifierKey } from '../../src/formats/vkey.ts'
import { localSigner } from '../../src/log/local-signer.ts'
import { createKeys } from '../../src/server/keys.ts'
import { openDataDirectory } from '../../src/storage/data-directory.ts'
import { freePort, type ServeProcess, startServe, startWitness } from '../support/cairn-process.ts'

const PATIENCE_MS = 20_000
const WITNESSES = [0, 1, 2] as const

const left: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const clean of left.splice(0).reverse()) await clean()
})

interface Witness {
  readonly url: string
  readonly name: string
  kill(): Promise<void>
  /** On the same data and at the same address. */
  start(): Promise<void>
}

interface World {
  readonly place: string
  readonly witnesses: readonly Witness[]
  readonly policy: Policy
  readonly logKeys: readonly VerifierKey[]
  readonly origin: string
  /** A log on a directory of this place, at an address of its own. */
  log(directory: string): Promise<ServeProcess>
}

/** Starts a process that the test ends, however it goes. */
async function started(start: Promise<ServeProcess>): Promise<ServeProcess> {
  const process = await start
  left.push(() => process.kill())
  return process
}

async function world(): Promise<World> {
  const place = await mkdtemp(join(tmpdir(), 'cairn-witnesses-'))
  left.push(() => rm(place, { recursive: true, force: true }))
  const policyFile = join(place, 'policy')
  const log = async (directory: string, ...more: string[]): Promise<ServeProcess> => {
    const flags = ['--open', '--publish-interval', '20', '--witness-timeout', '1000', ...more]
    return started(startServe(join(place, directory), await freePort(), flags))
  }
  // The keys that the witnesses have to know are there before the log starts.
  const { keys } = await openDataDirectory(join(place, 'log'), { create: true })
  const signer = localSigner((await createKeys({ directory: keys })).keys)
  const logKeys = [signer.ed25519, signer.mlDsa]
  const vkeyFile = join(place, 'given.vkey')
  await writeFile(vkeyFile, `${logKeys.map(formatVkey).join('\n')}\n`)

  const witnesses = await Promise.all(
    WITNESSES.map(async (i) => {
      const [data, port, name] = [join(place, `w${i}`), await freePort(), `w${i}.example`]
      const start = () => started(startWitness(data, port, ['--name', name, '--log', vkeyFile]))
      let running = await start()
      const { url } = running
      const [ed25519, mlDsa] = (await readFile(join(data, 'witness.vkey'), 'utf8')).split('\n')
      return {
        url,
        name,
        lines: [
          `witness ed${i} ${ed25519} ${url}`,
          `witness pq${i} ${mlDsa} ${url}`,
          `group w${i} all ed${i} pq${i}`,
        ],
        kill: () => running.kill(),
        async start() {
          running = await start()
        },
      }
    }),
  )
  const lines = witnesses.flatMap((witness) => witness.lines)
  const text = `${lines.join('\n')}\ngroup two 2 w0 w1 w2\nquorum two\n`
  await writeFile(policyFile, text)
  return {
    place,
    witnesses,
    policy: parsePolicy(utf8(text)),
    logKeys,
    origin: logKeys[0]!.name,
    log: (directory) => log(directory, '--policy', policyFile),
  }
}

async function eventually<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const found = await ask()
    if (found !== undefined) return found
    if (performance.now() > end) throw new Error(`never came true: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function post(log: ServeProcess, leaf: string, query = '', seconds = 10): Promise<Response> {
  return fetch(`${log.url}/v1/leaves${query}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/octet-stream', Prefer: `wait=${seconds}` },
    body: leaf,
  })
}

async function append(log: ServeProcess, ...leaves: string[]): Promise<void> {
  for (const leaf of leaves) expect((await post(log, leaf)).status, leaf).toBe(201)
}

async function published(log: ServeProcess): Promise<{ size: number; note: string }> {
  const note = await (await fetch(`${log.url}/checkpoint`)).text()
  return { size: Number(note.split('\n')[1]), note }
}

function publishedAt(log: ServeProcess, size: number): Promise<string> {
  return eventually(`a published head of ${size} leaves`, async () => {
    const head = await published(log)
    return head.size === size ? head.note : undefined
  })
}

/** The witnesses that have cosigned with both keys; every signature on the note is verified. */
function cosigners({ policy, logKeys, witnesses }: World, note: string): string[] {
  const keys = policy.witnesses.map(({ key }) => key)
  const { cosignatures } = openCheckpoint(utf8(note), logKeys, keys)
  const names = cosignatures.map(({ key }) => key.name)
  return witnesses
    .map(({ name }) => name)
    .filter((name) => names.includes(name) && names.includes(`${name}/ml-dsa-44`))
}

/** What a witness shows of the log. */
async function seenBy({ url }: Witness, origin: string): Promise<{ size: number; root: string }> {
  const note = await (await fetch(`${url}/${originHash(origin)}/checkpoint`)).text()
  const { size, root } = parseCheckpoint(parseNote(utf8(note)).text)
  return { size, root: toHex(root) }
}

function allHaveSeen({ witnesses, origin }: World, size: number): Promise<unknown> {
  return eventually(`all witnesses at ${size}`, async () => {
    const seen = await Promise.all(witnesses.map((witness) => seenBy(witness, origin)))
    return seen.every((head) => head.size === size) ? true : undefined
  })
}

/** The problem that a log which does not write any more answers a submission with. */
async function refusal(log: ServeProcess): Promise<string> {
  const answer = await post(log, `${Math.random()}`)
  expect(answer.status).toBe(503)
  const { detail } = (await answer.json()) as { detail: string }
  return detail
}

it('keeps its promises while witnesses are killed and come back', async () => {
  const all = await world()
  const [first, second] = all.witnesses as [Witness, Witness, Witness]
  const log = await all.log('log')
  const whole = await post(log, 'all are there', '?wait=witnessed')
  expect(whole.status).toBe(201)

  await first.kill()
  const receipt = await post(log, 'one is dead', '?wait=witnessed')
  expect(receipt.status).toBe(201)
  const trust = { logKeys: all.logKeys, policy: all.policy }
  const witnessed = new Uint8Array(await receipt.arrayBuffer())
  expect(verifyReceipt({ leaf: utf8('one is dead'), receipt: witnessed, trust }).ok).toBe(true)
  expect(cosigners(all, await publishedAt(log, 2))).toEqual(['w1.example', 'w2.example'])

  await second.kill()
  const late = await post(log, 'two are dead', '?wait=witnessed', 1)
  expect(late.status).toBe(202)
  expect(late.headers.get('location')).toBe('/v1/receipts/2')
  expect(late.headers.get('retry-after')).toMatch(/^[0-9]+$/)
  await append(log, 'and', 'another')
  expect((await published(log)).size).toBe(2)

  // What was accepted is durable, witnessed or not.
  await log.kill()
  const again = await all.log('log')
  expect((await published(again)).size).toBe(2)
  const entries = new Uint8Array(
    await (await fetch(`${again.url}/tile/entries/000.p/5`)).arrayBuffer(),
  )
  expect(new TextDecoder().decode(entries)).toMatch(/two are dead.*and.*another$/s)

  await first.start()
  expect(cosigners(all, await publishedAt(again, 5))).toEqual(['w0.example', 'w2.example'])
  await second.start()
  await allHaveSeen(all, 5)
  const names = all.witnesses.map(({ name }) => name)
  const upgraded = await eventually('a receipt with three cosignatures', async () => {
    const found = await fetch(`${again.url}/v1/receipts/2`)
    const text = await found.text()
    const { checkpoint } = JSON.parse(text) as { checkpoint: string }
    return cosigners(all, checkpoint).length === names.length ? text : undefined
  })
  const fetched = verifyReceipt({ leaf: utf8('two are dead'), receipt: utf8(upgraded), trust })
  expect(fetched).toMatchObject({ ok: true, index: 2, size: 5 })
  expect(await again.stop()).toBe(0)
}, 120_000)

/** What a log's signer remembers to have signed last. */
async function signerState({ place }: World, directory: string): Promise<Buffer[]> {
  const folder = join(place, `${directory}.signer`)
  const names = (await readdir(folder)).filter((name) => name.endsWith('.head'))
  expect(names).not.toEqual([])
  return Promise.all(names.sort().map((name) => readFile(join(folder, name))))
}

/** A log of three leaves, and a snapshot of it with the signer's state; then the log goes on to five. */
async function snapshot(all: World): Promise<ServeProcess> {
  const before = await all.log('log')
  await append(before, 'a', 'b', 'c')
  await allHaveSeen(all, 3)
  expect(await before.stop()).toBe(0)
  for (const suffix of ['', '.signer']) {
    const from = join(all.place, `log${suffix}`)
    await cp(from, join(all.place, `copy${suffix}`), { recursive: true })
  }
  const log = await all.log('log')
  await append(log, 'd', 'e')
  await allHaveSeen(all, 5)
  return log
}

it('writes nothing when a snapshot was restored with the state of its signer', async () => {
  const all = await world()
  const newer = await snapshot(all)
  expect(await newer.stop()).toBe(0)
  const seen = await Promise.all(all.witnesses.map((witness) => seenBy(witness, all.origin)))

  const signer = await signerState(all, 'copy')
  const log = await all.log('copy')
  const ready = await fetch(`${log.url}/readyz`)
  expect(ready.status).toBe(503)
  expect(await ready.text()).toMatch(/rolled back/)
  expect(await refusal(log)).toMatch(/rolled back.*restore the newest copy/s)
  expect((await published(log)).size).toBe(3)
  expect(log.output()).toMatch(/rolled back/)
  expect(await signerState(all, 'copy')).toEqual(signer)
  for (const [i, witness] of all.witnesses.entries()) {
    expect(await seenBy(witness, all.origin)).toEqual(seen[i])
  }
}, 120_000)

it('gets no second branch cosigned, stops, and keeps the proof that it forked', async () => {
  const all = await world()
  const right = await snapshot(all)
  const { size, root } = await seenBy(all.witnesses[0]!, all.origin)
  expect(size).toBe(5)

  // While nobody can be asked, the copy signs what it is given; then the witnesses come back.
  await Promise.all(all.witnesses.map((witness) => witness.kill()))
  const wrong = await all.log('copy')
  await append(wrong, 'not d', 'not e')
  expect((await published(wrong)).size).toBe(3)
  await Promise.all(all.witnesses.map((witness) => witness.start()))
  const ready = await eventually('the fork is read-only', async () => {
    const answer = await fetch(`${wrong.url}/readyz`)
    return answer.status === 503 ? answer.text() : undefined
  })
  expect(ready).toMatch(/forked/)
  expect(await refusal(wrong)).toMatch(/forked.*find out which/s)
  expect((await published(wrong)).size).toBe(3)
  for (const witness of all.witnesses) {
    expect(await seenBy(witness, all.origin)).toEqual({ size, root })
  }
  // The right branch goes on.
  await append(right, 'f')
  expect(cosigners(all, await publishedAt(right, 6))).not.toEqual([])

  const evidence = await eventually('evidence', async () => {
    const folder = join(all.place, 'copy', 'evidence')
    const names = await readdir(folder).catch(() => [])
    for (const name of names) {
      const bytes = new Uint8Array(await readFile(join(folder, name)))
      if (verifySplitView(bytes, { logKeys: all.logKeys }).ok) return bytes
    }
    return undefined
  })
  expect(verifySplitView(evidence, { logKeys: all.logKeys })).toMatchObject({ origin: all.origin })
}, 120_000)
