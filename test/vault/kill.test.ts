/**
 * kill -9 of a real process, in the middle of putting and of erasing. TEST_KILL_ROUNDS sets how often; a few times in a
 * normal run, more in continuous integration.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { filesHolding } from '../support/stored-bytes.ts'
import { isInFiles } from '../support/stores.ts'
import { vaultWorker } from './vault-worker.ts'
import { all, entry, recordId, rowsOf, shown, type VaultPlace, vaultPlace } from './vaults.ts'

const ROUNDS = Number(process.env.TEST_KILL_ROUNDS ?? 5)

let place: VaultPlace
beforeEach(async () => {
  place = await vaultPlace()
})
afterEach(() => place.remove())

/** Runs node until it is killed, `wait` milliseconds after the line that `when` picks. Gives the lines it wrote. */
async function killed(
  args: readonly string[],
  wait: number,
  when: (line: string) => boolean,
): Promise<string[]> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = new Promise((exit) => child.once('exit', exit))
  const lines: string[] = []
  let timer: NodeJS.Timeout | undefined
  for await (const line of createInterface(child.stdout)) {
    lines.push(line)
    if (timer === undefined && when(line)) timer = setTimeout(() => child.kill('SIGKILL'), wait)
  }
  await gone
  clearTimeout(timer)
  return lines
}

function named(lines: readonly string[], word: string): string[] {
  return lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []))
}

// The process that is killed has its vault in a directory.
describe.runIf(isInFiles)('a process that is killed', () => {
  it(`while it puts has kept all that it said it has, ${ROUNDS} times`, {
    timeout: 30_000 + ROUNDS * 10_000,
  }, async () => {
    let from = 0
    const put = new Set<number>()
    for (let round = 0; round < ROUNDS; round++) {
      const args = await vaultWorker('put', place.directory, String(from))
      const lines = await killed(args, Math.random() * 120, (line) => line.startsWith('put '))
      for (const n of named(lines, 'put')) put.add(Number(n))
      const tried = named(lines, 'putting').map(Number)
      const { vault } = await place.open()
      for (const n of tried) {
        for (let i = n; i < n + 50; i++) {
          const found = shown(await vault.get('acme', recordId(i)))
          // Of the last ones nobody was told; they are whole, or not there at all.
          if (put.has(n) || found !== undefined) {
            expect(found, `record ${i}`).toEqual(shown([...entry(i, undefined).disclosures]))
          }
        }
      }
      expect(await all(vault.inspect())).toEqual([])
      await place.close()
      from = tried.at(-1)! + 50
    }
    expect(put.size).toBeGreaterThanOrEqual(ROUNDS)
  })

  it(`while it erases has erased by the next start, or not begun, ${ROUNDS} times`, {
    timeout: 60_000 + ROUNDS * 10_000,
  }, async () => {
    const opened = await place.open()
    const people = Array.from({ length: 8 * ROUNDS }, (_, i) => `person ${i}`)
    const pseudonyms = await Promise.all(people.map((name) => opened.vault.pseudonym('acme', name)))
    const count = 20 * people.length
    const entries = Array.from({ length: count }, (_, n) => entry(n, pseudonyms[n % people.length]))
    for (let at = 0; at < count; at += 500) await opened.vault.put(entries.slice(at, at + 500))
    /** Their key and their name, sealed, and the link to them: a row each. */
    const secrets = new Map<string, Uint8Array[]>()
    for (const { key, value } of await rowsOf(opened.store, 's')) {
      const pseudonym = `p_${Buffer.from(key.subarray(17, 33)).toString('base64url')}`
      if (key.length === 33) secrets.set(pseudonym, [value.slice(2)])
    }
    const links = await rowsOf(opened.store, 'l')
    expect(links).toHaveLength(people.length)
    await place.close()

    const erased = new Set<string>()
    let begun = 0
    let undone = 0
    for (let round = 0; round < ROUNDS; round++) {
      const left = pseudonyms.filter((one) => !erased.has(one))
      const args = await vaultWorker('erase', place.directory, left.join())
      const lines = await killed(args, Math.random() * 150, (line) => line.startsWith('erasing '))
      // What it said is gone, is gone now, and not only after the next start.
      for (const one of named(lines, 'erased')) {
        erased.add(one)
        for (const secret of secrets.get(one)!) {
          expect(await filesHolding(place.directory, secret)).toEqual([])
        }
      }
      const { vault, store } = await place.open()
      const last = named(lines, 'erasing').at(-1)!
      if (!erased.has(last)) {
        begun++
        if ((await vault.person('acme', last)) === undefined) erased.add(last)
        else undone++
      }
      for (const [i, one] of pseudonyms.entries()) {
        const isErased = erased.has(one)
        expect(await vault.person('acme', one)).toBe(isErased ? undefined : people[i])
        expect(await vault.knownPseudonym('acme', people[i]!)).toBe(isErased ? undefined : one)
        if (isErased) {
          for (const secret of secrets.get(one)!) {
            expect(await filesHolding(place.directory, secret)).toEqual([])
          }
        }
      }
      const there = new Set((await rowsOf(store, 'l')).map(({ key }) => String(key)))
      const gone = links.filter(({ key }) => !there.has(String(key)))
      expect(gone).toHaveLength(erased.size)
      for (const { key, value } of gone) {
        expect(await filesHolding(place.directory, key.slice(17))).toEqual([])
        expect(await filesHolding(place.directory, value)).toEqual([])
      }
      for (const { recordId, owner, disclosures } of entries) {
        const found = shown(await vault.get('acme', recordId))
        expect(found).toEqual(erased.has(owner!) ? 'erased' : shown([...disclosures]))
      }
      expect(await all(vault.inspect())).toEqual([])
      await place.close()
    }
    // Each was killed at some moment between two lines; that all were before the point of no return is as good as out of
    // the question.
    expect(begun).toBeGreaterThan(0)
    expect(undone).toBeLessThanOrEqual(begun)
  })
})
