/**
 * How many records does the vault keep in a second, and how long does an erasure take among many? The vault alone, in
 * this process, over LevelDB on disk; no log, no HTTP. Alone: `npx tsx bench/vault.ts [--smoke]`, after a build.
 */
import { createHash, randomBytes } from 'node:crypto'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import { type Disclosure, makeDisclosure } from '../src/formats/disclosure.ts'
import { openLevelVaultStore } from '../src/storage/level-vault.ts'
import { localMasterKey } from '../src/vault/master-key.ts'
import { openVault, type Vault } from '../src/vault/vault.ts'
import type { VaultEntry } from '../src/vault/writer.ts'
import { discard, newData } from './server.ts'
import { count, head, ms, row } from './table.ts'

const TENANT = 'bench'
const BATCH = 500
const AIM = { put: '>= 20,000', get: '>= 10,000' } as const

/** `scale` 1 is a full measurement: 100,000 records of 1 kB. */
export async function keeping(scale: number): Promise<void> {
  const size = Math.max(2 * BATCH, Math.round(100_000 * scale))
  const directory = await newData()
  const open = async (): Promise<Vault> =>
    openVault({
      store: await openLevelVaultStore(directory),
      masterKey: localMasterKey(new Uint8Array(32)),
      now: () => Date.now(),
    })
  let vault = await open()
  const people = await meet(vault, Math.round(size / 20))
  await put(vault, { from: 0, to: size, inFlight: 1 }, people)
  await get(vault, size)
  const { keys, payloads } = (await vault.usage())!
  row('  bytes a record: keys / payloads', `${count(keys / size)} / ${count(payloads / size)}`)
  const opening = performance.now()
  await vault.close()
  vault = await open()
  row('  opened again', `${ms(performance.now() - opening)} ms`)
  await erase(vault, size, people)
  const inspecting = performance.now()
  for await (const problem of vault.inspect()) throw new Error(problem)
  const inspected = performance.now() - inspecting
  row('  everything opened by inspect()', `${count((size / inspected) * 1000)} records/s`)
  const rewrapping = performance.now()
  await vault.rewrap(localMasterKey(new Uint8Array(32).fill(1)))
  row('  another master key', `${ms(performance.now() - rewrapping)} ms`)
  await vault.close()
  await discard(directory)
}

async function meet(vault: Vault, number: number): Promise<string[]> {
  const started = performance.now()
  const people = await Promise.all(
    Array.from({ length: number }, (_, i) => vault.pseudonym(TENANT, `person-${i}@example.com`)),
  )
  const spent = performance.now() - started
  row(`pseudonyms made, ${count(number)} asked for at once`, `${count((number / spent) * 1000)} /s`)
  return people
}

async function put(
  vault: Vault,
  range: { readonly from: number; readonly to: number; readonly inFlight: number },
  people: readonly string[],
): Promise<void> {
  const { from, to, inFlight } = range
  const times: number[] = []
  const cpu = process.cpuUsage()
  let making = 0
  let at = from
  const lane = async (): Promise<void> => {
    while (at < to) {
      const before = performance.now()
      const first = at
      at += BATCH
      const entries = Array.from({ length: BATCH }, (_, i) => entry(first + i, people))
      const started = performance.now()
      making += started - before
      await vault.put(entries)
      times.push(performance.now() - started)
    }
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: inFlight }, lane))
  const spent = performance.now() - started - making
  const { user, system } = process.cpuUsage(cpu)
  times.sort((a, b) => a - b)
  const number = times.length * BATCH
  row(
    `records of 1 kB put, ${BATCH} at a time, ${inFlight} in flight`,
    `${count((number / spent) * 1000)} records/s`,
    AIM.put,
  )
  const [tenth, half, most] = [0.1, 0.5, 0.99].map(
    (part) => times[Math.floor(times.length * part)]!,
  )
  row(
    '  at the pace of the quickest tenth',
    `${count((BATCH * inFlight * 1000) / tenth!)} records/s`,
  )
  row('  a batch: p50 / p99', `${ms(half!)} / ${ms(most!)} ms`)
  row('  CPU a record, all threads, with making it', `${((user + system) / number).toFixed(1)} us`)
}

async function get(vault: Vault, size: number): Promise<void> {
  const number = Math.max(1_000, Math.round(size / 2))
  let at = 0
  const started = performance.now()
  const lane = async (): Promise<void> => {
    while (at < number) {
      const found = await vault.get(TENANT, recordId((at++ * 7_919) % size))
      if (!Array.isArray(found)) throw new Error('a record is lost')
    }
  }
  await Promise.all(Array.from({ length: 16 }, lane))
  const spent = performance.now() - started
  row('records got, 16 at once', `${count((number / spent) * 1000)} records/s`, AIM.get)
}

async function erase(vault: Vault, size: number, people: readonly string[]): Promise<void> {
  const timed = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    const started = performance.now()
    await work()
    row(what, `${ms(performance.now() - started)} ms`)
  }
  await timed('a record erased', () => vault.eraseRecord(TENANT, recordId(size - 1)))
  const among = `among ${count(size)} records`
  for (const person of people.slice(0, 3)) {
    await timed(`a person of 20 records erased, ${among}`, () => vault.eraseSubject(TENANT, person))
  }
  const some = people.slice(3, Math.min(103, people.length))
  await timed(`  ${some.length} people at once`, () =>
    Promise.all(some.map((person) => vault.eraseSubject(TENANT, person))),
  )
  await timed('  1,000 records at once', () =>
    Promise.all(
      Array.from({ length: Math.min(1_000, size) }, (_, n) =>
        vault.eraseRecord(TENANT, recordId(n)),
      ),
    ),
  )
  const busy = await vault.pseudonym(TENANT, 'somebody with many records')
  await put(vault, { from: size, to: 2 * size, inFlight: 2 }, [busy])
  await timed(`a person of ${count(size)} records erased`, () => vault.eraseSubject(TENANT, busy))
}

function entry(n: number, people: readonly string[]): VaultEntry {
  return {
    tenant: TENANT,
    recordId: recordId(n),
    owner: people[(n * 31) % people.length],
    disclosures: [disclosure('/input/prompt'), disclosure('/output/text')],
  }
}

/** Of about 500 bytes that no compression makes smaller. */
function disclosure(pointer: string): Disclosure {
  return makeDisclosure(pointer, randomBytes(330).toString('base64'), randomBytes(16))
}

/** As they come out of a log: in the order of time. */
function recordId(n: number): string {
  const time = (1_700_000_000_000 + n).toString(16).padStart(12, '0')
  const rest = createHash('sha256').update(`${n}`).digest('hex')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${rest.slice(0, 3)}-8${rest.slice(3, 6)}-${rest.slice(6, 18)}`
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  head()
  await keeping(argv.includes('--smoke') ? 0.02 : 1)
}
