import { createHmac, randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { localMasterKey, type MasterKey } from '../../src/vault/master-key.ts'
import {
  createMasterKeyFile,
  createPassphraseMasterKey,
  openMasterKeyFile,
  openPassphraseMasterKey,
} from '../../src/vault/master-key-file.ts'
import { contextFor } from '../../src/vault/sealing.ts'

const CHEAP = { N: 16, r: 1, p: 1 }
const context = contextFor('test')

let directory: string
let file: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-master-'))
  file = join(directory, 'master.key')
})
afterEach(() => rm(directory, { recursive: true }))

async function expectSame(one: MasterKey, other: MasterKey): Promise<void> {
  expect(one.id).toBe(other.id)
  const secret = new Uint8Array(randomBytes(32))
  const wrapped = await one.wrap(secret, context())
  expect(await other.unwrap(wrapped, context())).toEqual(secret)
}

describe('a master key in memory', () => {
  const secret = new Uint8Array(32).fill(7)
  const key = localMasterKey(secret)

  it('wraps a key, each time anew, and unwraps it', async () => {
    const inner = new Uint8Array(randomBytes(32))
    const [one, two] = [await key.wrap(inner, context()), await key.wrap(inner, context())]
    expect(one).toHaveLength(60)
    expect(one).not.toEqual(two)
    for (const wrapped of [one, two]) expect(await key.unwrap(wrapped, context())).toEqual(inner)
  })

  it('refuses what was wrapped by another, for another purpose, or has changed', async () => {
    const inner = new Uint8Array(randomBytes(32))
    const wrapped = await key.wrap(inner, context(Uint8Array.of(1)))
    const CORRUPT = { code: 'CORRUPT' }
    const other = localMasterKey(new Uint8Array(32).fill(8))
    await expect(other.unwrap(wrapped, context(Uint8Array.of(1)))).rejects.toMatchObject(CORRUPT)
    for (const wrong of [context(), context(Uint8Array.of(2)), contextFor('x')(Uint8Array.of(1))]) {
      await expect(key.unwrap(wrapped, wrong)).rejects.toMatchObject(CORRUPT)
    }
    for (let at = 0; at < wrapped.length; at++) {
      const changed = wrapped.slice()
      changed[at]! ^= 1
      const unwrapped = key.unwrap(changed, context(Uint8Array.of(1)))
      await expect(unwrapped, `byte ${at}`).rejects.toMatchObject(CORRUPT)
    }
    for (const length of [0, 12, 27, 28, 59]) {
      const unwrapped = key.unwrap(wrapped.slice(0, length), context(Uint8Array.of(1)))
      await expect(unwrapped, `${length} bytes`).rejects.toMatchObject(CORRUPT)
    }
    const short = await key.wrap(inner.slice(1), context())
    await expect(key.unwrap(short, context())).rejects.toMatchObject(CORRUPT)
  })

  it('has an id that is its own, and says nothing about it', () => {
    expect(key.id).toMatch(/^[0-9a-f]{16}$/)
    expect(localMasterKey(secret).id).toBe(key.id)
    expect(localMasterKey(new Uint8Array(32).fill(8)).id).not.toBe(key.id)
    const digest = createHmac('sha256', secret).update(contextFor('master key id')()).digest()
    expect(toHex(digest.subarray(0, 8))).toBe(key.id)
  })

  it('has 32 bytes', () => {
    expect(() => localMasterKey(new Uint8Array(31))).toThrow(RangeError)
    expect(() => localMasterKey(new Uint8Array(64))).toThrow(RangeError)
  })
})

describe('contexts', () => {
  it('are never spelled alike', () => {
    const [a, b, ab] = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(1, 2)]
    const none = new Uint8Array()
    const all = [
      contextFor('x')(),
      contextFor('x')(none),
      contextFor('x')(none, none),
      contextFor('x')(a, b),
      contextFor('x')(ab),
      contextFor('x')(ab, none),
      contextFor('x')(none, ab),
      contextFor('y')(a, b),
      contextFor('')(Uint8Array.of(0x78), a, b),
    ]
    expect(new Set(all.map(toHex)).size).toBe(all.length)
  })
})

describe('a master key in a file', () => {
  it('is 32 random bytes for its owner’s eyes', async () => {
    const made = await createMasterKeyFile(file)
    expect(await readFile(file)).toHaveLength(32)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const opened = await openMasterKeyFile(file)
    expect(opened.exposed).toBe(false)
    await expectSame(made, opened.masterKey)
    const other = await createMasterKeyFile(join(directory, 'other'))
    expect(other.id).not.toBe(made.id)
  })

  it('is never written over', async () => {
    await createMasterKeyFile(file)
    const before = await readFile(file)
    await expect(createMasterKeyFile(file)).rejects.toMatchObject({ code: 'USAGE' })
    const options = { file, passphrase: 'x', cost: CHEAP }
    await expect(createPassphraseMasterKey(options)).rejects.toMatchObject({ code: 'USAGE' })
    expect(await readFile(file)).toEqual(before)
  })

  it('may come from elsewhere, and tells who may read it', async () => {
    const secret = randomBytes(32)
    await writeFile(file, secret, { mode: 0o644 })
    await chmod(file, 0o640)
    const opened = await openMasterKeyFile(file)
    expect(opened.exposed).toBe(true)
    await expectSame(opened.masterKey, localMasterKey(secret))
  })

  it.each([
    ['nothing', 0],
    ['31 bytes', 31],
    ['33 bytes', 33],
    ['a text', 65],
    ['too much', 5_000],
  ])('is no file with %s', async (_, size) => {
    await writeFile(file, Buffer.alloc(size, 'a'))
    await expect(openMasterKeyFile(file)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(file),
    })
  })

  it('cannot be read where there is none, or something else', async () => {
    await expect(openMasterKeyFile(file)).rejects.toMatchObject({ code: 'USAGE' })
    await expect(openMasterKeyFile(directory)).rejects.toMatchObject({ code: 'IO' })
    const nowhere = join(directory, 'no', 'where')
    await expect(createMasterKeyFile(nowhere)).rejects.toMatchObject({ code: 'IO' })
  })
})

describe('a master key made of a passphrase', () => {
  it('is made again of the same passphrase, and of no other', async () => {
    const made = await createPassphraseMasterKey({ file, passphrase: 'correct horse', cost: CHEAP })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const opened = await openPassphraseMasterKey({ file, passphrase: 'correct horse' })
    await expectSame(made, opened.masterKey)
    for (const passphrase of ['correct horsf', 'Correct horse', 'correct horse ', 'x']) {
      await expect(openPassphraseMasterKey({ file, passphrase })).rejects.toMatchObject({
        code: 'USAGE',
        message: expect.stringContaining('passphrase is not the one'),
      })
    }
  })

  it('is another each time it is made', async () => {
    const one = await createPassphraseMasterKey({ file, passphrase: 'x', cost: CHEAP })
    const other = join(directory, 'other')
    const two = await createPassphraseMasterKey({ file: other, passphrase: 'x', cost: CHEAP })
    expect(one.id).not.toBe(two.id)
  })

  it('costs what it should, unless told otherwise, and says so in its file', async () => {
    const made = await createPassphraseMasterKey({ file, passphrase: 'correct horse' })
    const text = await readFile(file, 'utf8')
    expect(text).toMatch(
      /^cairn-master-key\/v1\nscrypt N=131072 r=8 p=1\nsalt [A-Za-z0-9+/]{43}=\nid [0-9a-f]{16}\n$/,
    )
    expect(text).toContain(made.id)
    const opened = await openPassphraseMasterKey({ file, passphrase: 'correct horse' })
    await expectSame(made, opened.masterKey)
  })

  it('is not made of nothing', async () => {
    const made = createPassphraseMasterKey({ file, passphrase: '', cost: CHEAP })
    await expect(made).rejects.toMatchObject({ code: 'USAGE' })
    await createPassphraseMasterKey({ file, passphrase: 'x', cost: CHEAP })
    const opened = openPassphraseMasterKey({ file, passphrase: '' })
    await expect(opened).rejects.toMatchObject({ code: 'USAGE' })
  })

  it.each([
    ['a cost of 0', /N=16/, 'N=0'],
    ['a cost that is no power of two', /N=16/, 'N=17'],
    ['a cost beyond all memory', /N=16 r=1/, 'N=1048576 r=32'],
    ['a cost too large', /N=16/, 'N=2097152'],
    ['a leading zero', /N=16/, 'N=016'],
    ['too many lanes', /p=1/, 'p=17'],
    ['another version', /v1/, 'v2'],
    ['a shorter salt', /salt .{4}/, 'salt '],
    ['a salt with other letters', /salt ..../, 'salt -_-_'],
    ['no id', /id .*\n/, ''],
    ['a line too much', /$/, 'x\n'],
    ['a carriage return', /\n/, '\r\n'],
  ])('is damaged with %s', async (_, what, by) => {
    await createPassphraseMasterKey({ file, passphrase: 'x', cost: CHEAP })
    const text = await readFile(file, 'utf8')
    expect(text.replace(what, by)).not.toBe(text)
    await writeFile(file, text.replace(what, by))
    await expect(openPassphraseMasterKey({ file, passphrase: 'x' })).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining(file),
    })
  })

  it('is another when its salt or cost has changed, and that is told', async () => {
    await createPassphraseMasterKey({ file, passphrase: 'x', cost: CHEAP })
    const text = await readFile(file, 'utf8')
    for (const changed of [
      text.replace('N=16', 'N=32'),
      text.replace(/salt (.)/, (_, c) => `salt ${c === 'A' ? 'B' : 'A'}`),
      text.replace(/id (.)/, (_, c) => `id ${c === '0' ? '1' : '0'}`),
    ]) {
      await writeFile(file, changed)
      const opened = openPassphraseMasterKey({ file, passphrase: 'x' })
      await expect(opened).rejects.toMatchObject({ code: 'USAGE' })
    }
  })

  it('cannot be made at a cost that nobody has', async () => {
    for (const cost of [
      { N: 3, r: 8, p: 1 },
      { N: 2 ** 21, r: 8, p: 1 },
      { N: 16, r: 0, p: 1 },
      { N: 16, r: 1, p: 1.5 },
      { N: 2 ** 20, r: 32, p: 1 },
    ]) {
      const made = createPassphraseMasterKey({ file, passphrase: 'x', cost })
      await expect(made).rejects.toThrow(RangeError)
    }
  })
})
