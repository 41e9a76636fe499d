import { describe, expect, it } from 'vitest'
import type { PolicyWitness } from '../../src/formats/policy.ts'
import { cosigningKey, ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { targetsOf } from '../../src/monitor/target.ts'

const keyOf = (i: number) =>
  cosigningKey('key', new Uint8Array(32).fill(i + 1), 'ed25519-cosignature').vkey
const { vkey } = ed25519SigningKey('log.example', new Uint8Array(32))

/** The operators of witnesses with these names and addresses. */
function operators(...listed: readonly [name: string, url?: string][]) {
  const witnesses = listed.map(
    ([name, url], i): PolicyWitness => ({ name, key: keyOf(i), ...(url && { url }) }),
  )
  const policy = { logs: [], witnesses, groups: [], quorum: undefined }
  const targets = targetsOf([{ key: vkey, url: 'https://log.example' }], policy)
  return targets.witnesses.map(({ name, keys, url }) => [name, keys.length, url])
}

describe('the operators of witnesses', () => {
  it('have one address, and what their names begin with', () => {
    const [a, b] = ['https://a.example', 'https://b.example']
    expect(
      operators(['a.example/ed25519', a], ['b', b], ['a.example/ml-dsa-44', `${a}/`], ['b-pq', b]),
    ).toEqual([
      ['a.example', 2, a],
      ['b', 2, b],
    ])
  })

  it('have the name of their first key where the names have nothing in common', () => {
    const url = 'https://a.example'
    expect(operators(['north', url], ['south', url])).toEqual([['north', 2, url]])
    expect(operators(['w1', url], ['w2', url])).toEqual([['w1', 2, url]])
  })

  it('have names of their own', () => {
    const [a, b] = ['https://a.example', 'https://b.example']
    expect(operators(['w', a], ['w/1', b], ['w/2', b])).toEqual([
      ['w', 1, a],
      ['w/1', 2, b],
    ])
    expect(operators(['x/1', a], ['x/2', a], ['x/3', b], ['x/4', b])).toEqual([
      ['x', 2, a],
      ['x/3', 2, b],
    ])
  })

  it('are known by their names where they have no address', () => {
    expect(operators(['w/1'], ['w/2'])).toEqual([
      ['w/1', 1, undefined],
      ['w/2', 1, undefined],
    ])
  })
})

describe('the addresses of a log', () => {
  it('are those of all its keys, each once', () => {
    const other = ed25519SigningKey('log.example', new Uint8Array(32).fill(1)).vkey
    const watched = [
      { key: vkey, url: 'https://log.example/a/' },
      { key: other, url: 'https://log.example/a' },
      { key: other, url: 'https://mirror.example' },
      { key: vkey },
    ]
    const [log, ...others] = targetsOf(watched).logs
    expect(others).toEqual([])
    expect(log).toEqual({
      origin: 'log.example',
      keys: [vkey, other],
      urls: ['https://log.example/a', 'https://mirror.example'],
    })
  })
})
