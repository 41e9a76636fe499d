/** Changes inputs at random: bytes, numbers, lines and runs of them, and words that the code knows. */

/** Numbers from 0 up to but without 1, the same ones for the same seed. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

export interface Material {
  readonly random: () => number
  /** What may be put in. */
  readonly words: readonly Uint8Array[]
  /** Inputs that parts can be taken from. */
  readonly others: readonly Uint8Array[]
  /** No input grows beyond this many bytes. */
  readonly maxLength: number
}

const NEWLINE = 0x0a
/** Bytes that formats treat specially. */
const TELLING = [0x00, 0x09, 0x0a, 0x0d, 0x20, 0x2b, 0x2f, 0x30, 0x3d, 0x7f, 0x80, 0xc0, 0xff]
const NUMBERS = [
  ...['0', '00', '-1', '1', '63', '64', '255', '256', '65535', '65536', '4294967295', '4294967296'],
  ...['9007199254740990', '9007199254740991', '9007199254740992', '9223372036854775807', '1e3'],
  ...['18446744073709551615', '18446744073709551616', '0x10', '1.0', '+1'],
].map((number) => new TextEncoder().encode(number))

function splice(
  input: Uint8Array,
  start: number,
  end: number,
  put: Uint8Array = new Uint8Array(),
): Uint8Array {
  const out = new Uint8Array(input.length - (end - start) + put.length)
  out.set(input.subarray(0, start))
  out.set(put, start)
  out.set(input.subarray(end), start + put.length)
  return out
}

/** An input made from another by a few changes. */
export function mutate(input: Uint8Array, material: Material): Uint8Array {
  const { random, maxLength } = material
  let changed = input
  for (let changes = 2 ** below(4, random); changes > 0; changes--) {
    const change = CHANGES[below(CHANGES.length, random)]!
    changed = change(changed, material)
  }
  return changed.length > maxLength ? changed.slice(0, maxLength) : changed
}

type Change = (input: Uint8Array, material: Material) => Uint8Array

function below(limit: number, random: () => number): number {
  return Math.floor(random() * limit)
}

/** A part of an input, short ones more often than long ones. */
function part(input: Uint8Array, random: () => number): [start: number, end: number] {
  const longest = random() < 0.7 ? Math.min(8, input.length) : input.length
  const length = below(longest + 1, random)
  const start = below(input.length - length + 1, random)
  return [start, start + length]
}

/** A line with its newline. */
function line(input: Uint8Array, random: () => number): [start: number, end: number] {
  const at = below(input.length + 1, random)
  const start = input.lastIndexOf(NEWLINE, Math.max(at - 1, 0)) + 1
  const end = input.indexOf(NEWLINE, at)
  return [Math.min(start, at), end < 0 ? input.length : end + 1]
}

function withByte(input: Uint8Array, random: () => number, byte: (old: number) => number) {
  if (input.length === 0) return input
  const out = input.slice()
  const at = below(out.length, random)
  out[at] = byte(out[at]!)
  return out
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}

/** Where a decimal number stands, if one is met. */
function number(input: Uint8Array, random: () => number): [start: number, end: number] {
  const from = below(input.length + 1, random)
  let start = from
  while (start < input.length && !isDigit(input[start])) start++
  let end = start
  while (isDigit(input[end])) end++
  return [start, end]
}

const CHANGES: readonly Change[] = [
  (input, { random }) => withByte(input, random, (old) => old ^ (1 << below(8, random))),
  (input, { random }) => withByte(input, random, () => below(256, random)),
  (input, { random }) => withByte(input, random, (old) => old + (random() < 0.5 ? 1 : 255)),
  (input, { random }) => withByte(input, random, () => TELLING[below(TELLING.length, random)] ?? 0),
  (input, { random }) => {
    const at = below(input.length + 1, random)
    return splice(input, at, at, Uint8Array.of(TELLING[below(TELLING.length, random)] ?? 0))
  },
  (input, { random }) => splice(input, ...part(input, random)),
  (input, { random }) => {
    const at = below(input.length + 1, random)
    return splice(input, at, at, input.slice(...part(input, random)))
  },
  (input, { random }) => splice(input, ...part(input, random), input.slice(...part(input, random))),
  (input, { random }) => splice(input, ...line(input, random)),
  (input, { random }) => {
    const [start] = line(input, random)
    return splice(input, start, start, input.slice(...line(input, random)))
  },
  (input, { random }) => splice(input, ...line(input, random), input.slice(...line(input, random))),
  (input, { random }) =>
    splice(input, ...number(input, random), NUMBERS[below(NUMBERS.length, random)]),
  (input, { random, words }) => {
    const at = below(input.length + 1, random)
    return splice(input, at, at, words[below(words.length, random)])
  },
  (input, { random, words }) =>
    splice(input, ...part(input, random), words[below(words.length, random)]),
  (input, { random, others }) => {
    const other = others[below(others.length, random)] ?? input
    const cut = Math.min(below(input.length + 1, random), other.length)
    return splice(other, 0, cut, input.subarray(0, cut))
  },
  (input, { random, others }) => {
    const other = others[below(others.length, random)] ?? input
    return splice(input, ...part(input, random), other.slice(...part(other, random)))
  },
  (input, { random, others }) => {
    const other = others[below(others.length, random)] ?? input
    const [start] = line(input, random)
    return splice(input, start, start, other.slice(...line(other, random)))
  },
  (input, { random }) => {
    const at = below(input.length + 1, random)
    const byte = TELLING[below(TELLING.length, random)] ?? 0
    // Short ones as often as long ones, which show what takes the square of their length.
    return splice(input, at, at, new Uint8Array(2 ** (random() * 14)).fill(byte))
  },
  (input, { random }) => {
    const [start, end] = part(input, random)
    const times = 2 ** below(8, random)
    const repeated = new Uint8Array((end - start) * times)
    for (let i = 0; i < times; i++) repeated.set(input.subarray(start, end), i * (end - start))
    return repeated.length > 65_536 ? input : splice(input, end, end, repeated)
  },
]
