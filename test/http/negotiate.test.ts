import { describe, expect, it } from 'vitest'
import { acceptsGzip, mediaTypeOf, negotiate } from '../../src/http/negotiate.ts'
import { parseQuery } from '../../src/http/query.ts'

const OFFERS = ['application/json', 'text/plain', 'application/cose'] as const

describe('negotiate', () => {
  it.each([
    [undefined, 'application/json'],
    ['', 'application/json'],
    ['*/*', 'application/json'],
    ['text/plain', 'text/plain'],
    ['TEXT/PLAIN', 'text/plain'],
    ['text/*', 'text/plain'],
    ['application/*', 'application/json'],
    ['application/*, application/json;q=0.2', 'application/cose'],
    ['text/html, */*;q=0.1', 'application/json'],
    ['text/plain;q=0.5, application/cose;q=0.6', 'application/cose'],
    ['text/plain; charset=utf-8', 'text/plain'],
    ['application/json;q=0, */*', 'text/plain'],
    ['text/html', undefined],
    ['application/json;q=0', undefined],
    ['text/plain;q=nonsense', 'text/plain'],
    ['text/plain;q=2', undefined],
    [',,;;,', undefined],
  ])('%s gives %s', (accept, expected) => {
    expect(negotiate(accept, OFFERS)).toBe(expected)
  })
})

describe('acceptsGzip', () => {
  it.each([
    [undefined, false],
    ['gzip', true],
    ['br, gzip;q=0.5', true],
    ['*', true],
    ['gzip;q=0, *', false],
    ['identity', false],
    ['deflate, br', false],
  ])('%s: %s', (header, expected) => {
    expect(acceptsGzip(header)).toBe(expected)
  })
})

describe('mediaTypeOf', () => {
  it('drops parameters and case', () => {
    expect(mediaTypeOf('Application/Octet-Stream; x=y')).toBe('application/octet-stream')
    expect(mediaTypeOf('')).toBe('')
  })
})

describe('parseQuery', () => {
  it('decodes known parameters', () => {
    expect(parseQuery('a=1&b=%2B%20', ['a', 'b'])).toEqual({ a: '1', b: '+ ' })
    expect(parseQuery('', ['a'])).toEqual({})
    expect(parseQuery('a', ['a'])).toEqual({ a: '' })
  })

  it.each(['c=1', 'a=1&a=2', 'a=1+1', 'a=%', 'a=%ff', '&', 'a=1&', '__proto__=1', 'constructor=1'])(
    'refuses %s',
    (query) => {
      expect(() => parseQuery(query, ['a', 'b'])).toThrow(
        expect.objectContaining({ code: 'MALFORMED' }),
      )
    },
  )
})
