/**
 * The little of XML that S3 servers answer with: elements of known names that hold text or such elements. Attributes,
 * declarations and elements that are not asked for are passed over, as servers differ in them.
 */

/** What is between the tags of each element of a name, in order, not decoded. An element does not hold one of its name. */
export function elementsOf(xml: string, name: string): string[] {
  const pattern = new RegExp(`<${name}(?:\\s[^>]*)?(?:/>|>([\\s\\S]*?)</${name}\\s*>)`, 'g')
  return [...xml.matchAll(pattern)].map(([, inner = '']) => inner)
}

/** The text of the first element of a name, decoded; undefined when there is none. */
export function textOf(xml: string, name: string): string | undefined {
  const [inner] = elementsOf(xml, name)
  return inner === undefined ? undefined : decode(inner)
}

const NAMED: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  apos: "'",
}

function decode(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w+));/g, (whole, dec, hex, name) => {
    if (name !== undefined) return NAMED[name] ?? whole
    const point = dec === undefined ? Number.parseInt(hex, 16) : Number(dec)
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole
  })
}

/** Text as it stands between tags. */
export function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (char) => `&#${char.codePointAt(0)};`)
}
