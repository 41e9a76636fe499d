import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import {
  mlDsaIsNative,
  mlDsaPublicKey,
  mlDsaSign,
  mlDsaVerify,
} from '../../src/crypto/ml-dsa-node.ts'
import { mlDsaThread, workerThread } from '../../src/crypto/ml-dsa-thread.ts'

const seed = new Uint8Array(32).fill(7)
const publicKey = mlDsaPublicKey(seed)
const message = utf8('tree head\n')

describe.each([
  ['the one of this Node', mlDsaThread],
  ['the one in JavaScript', workerThread],
])('a thread for ML-DSA-44: %s', (_, open) => {
  it('signs and verifies as the calling thread does', async () => {
    const thread = open()
    const made = await thread.sign(message, seed)
    expect(made.constructor).toBe(Uint8Array)
    expect(mlDsaVerify(made, message, publicKey)).toBe(true)
    expect(await thread.verify(made, message, publicKey)).toBe(true)
    expect(await thread.verify(mlDsaSign(message, seed), message, publicKey)).toBe(true)
    expect(await thread.verify(made, utf8('another'), publicKey)).toBe(false)
    expect(await thread.verify(made.subarray(1), message, publicKey)).toBe(false)
    expect(await thread.verify(made, message, publicKey.subarray(1))).toBe(false)
    await thread.close()
  })

  it('tells many calls apart, and counts those that wait', async () => {
    const thread = open()
    const seeds = Array.from({ length: 6 }, (_, i) => new Uint8Array(32).fill(i))
    const calls = seeds.map((one) => thread.sign(message, one))
    expect(thread.waiting).toBe(6)
    const signatures = await Promise.all(calls)
    expect(thread.waiting).toBe(0)
    seeds.forEach((one, i) => {
      expect(mlDsaVerify(signatures[i]!, message, mlDsaPublicKey(one))).toBe(true)
    })
    await thread.close()
  })

  it('holds the calling thread up for much less than a signature takes', async () => {
    const thread = open()
    await thread.sign(message, seed)
    const calls = Array.from({ length: 20 }, () => thread.sign(message, seed))
    let turns = 0
    const counting = setInterval(() => turns++, 1)
    await Promise.all(calls)
    clearInterval(counting)
    // Twenty signatures in JavaScript take 60 ms and more; a thread that is held up would see none of it pass.
    expect(turns).toBeGreaterThan(mlDsaIsNative() ? 0 : 10)
    await thread.close()
  })

  it('says what a seed of the wrong length is, and goes on', async () => {
    const thread = open()
    await expect(thread.sign(message, seed.subarray(1))).rejects.toThrow(/32/)
    expect((await thread.sign(message, seed)).length).toBe(2420)
    await thread.close()
  })

  it('answers nobody once it is closed', async () => {
    const thread = open()
    await thread.sign(message, seed)
    await thread.close()
    await expect(thread.sign(message, seed)).rejects.toMatchObject({ code: 'STOPPED' })
    await expect(thread.verify(message, message, publicKey)).rejects.toMatchObject({
      code: 'STOPPED',
    })
  })
})

describe('the thread in JavaScript', () => {
  it('fails the calls that wait when it is closed', async () => {
    const thread = workerThread()
    const call = thread.sign(message, seed)
    const failed = expect(call).rejects.toMatchObject({ code: 'STOPPED' })
    await thread.close()
    await failed
    expect(thread.waiting).toBe(0)
  })
})
