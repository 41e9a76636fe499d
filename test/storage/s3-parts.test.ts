/** The small parts of the S3 store: where it is, and the XML that servers answer with. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { s3Endpoint, s3Place } from '../../src/storage/s3-place.ts'
import { elementsOf, escapeXml, textOf } from '../../src/storage/s3-xml.ts'

describe('a place in S3', () => {
  it.each([
    ['bucket', '', 's3://bucket', ''],
    ['bucket', '/', 's3://bucket', ''],
    ['my.bucket-1', 'log', 's3://my.bucket-1/log', 'log/'],
    ['bucket', '/a/b.c/', 's3://bucket/a/b.c', 'a/b.c/'],
  ])('is %o and %o', (bucket, path, text, prefix) => {
    expect(s3Place(bucket, path)).toEqual({ bucket, prefix, text })
  })

  it.each([
    ['', ''],
    ['b', ''],
    ['bucket/..', ''],
    ['bucket?x', ''],
    ['bucket', '..'],
    ['bucket', 'a/../b'],
    ['bucket', './a'],
    ['bucket', 'a//b'],
    ['bucket', 'a b'],
    ['bucket', 'a?b'],
    ['bucket', 'a%2f'],
  ])('is not %o and %o', (bucket, path) => {
    expect(() => s3Place(bucket, path)).toThrow(/no place of objects/)
  })

  it('is at Amazon unless said otherwise', () => {
    expect(s3Endpoint(undefined, 'eu-west-1').href).toBe('https://s3.eu-west-1.amazonaws.com/')
    expect(s3Endpoint('http://127.0.0.1:9000', 'x').href).toBe('http://127.0.0.1:9000/')
  })

  it.each(['', 'host:9000', 'ftp://host', 'https://host/path', 'https://key@host', 'https://h/?a'])(
    'is at no server such as %o',
    (endpoint) => {
      expect(() => s3Endpoint(endpoint, 'x')).toThrow(/no address of an S3 server/)
    },
  )
})

describe('XML of S3', () => {
  it('is read by the names of elements', () => {
    const xml =
      '<?xml version="1.0"?><L xmlns="x"><Key>a</Key><KeyCount>2</KeyCount><Key >b</Key><Key/><Key></Key></L>'
    expect(elementsOf(xml, 'Key')).toEqual(['a', 'b', '', ''])
    expect(textOf(xml, 'KeyCount')).toBe('2')
    expect(textOf(xml, 'Missing')).toBeUndefined()
    expect(elementsOf('<Key a="1">x</Key>', 'Key')).toEqual(['x'])
    expect(elementsOf('<Key>not closed', 'Key')).toEqual([])
  })

  it('has its references decoded once', () => {
    expect(textOf('<K>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;&#128512;</K>', 'K')).toBe(`<&>"'AB😀`)
    expect(textOf('<K>&amp;lt;</K>', 'K')).toBe('&lt;')
    expect(textOf('<K>&unknown;&#x110000;</K>', 'K')).toBe('&unknown;&#x110000;')
  })

  it('gives back any text that was escaped', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(textOf(`<K>${escapeXml(text)}</K>`, 'K')).toBe(text)
      }),
    )
  })
})
