/** How many there are of something, as people read it: in the words of checks, commands and pages. */

/** Digits in groups of three, the same in every locale: `1,234,567.5`. */
export function grouped(value: number | string): string {
  const [whole = '', fraction] = String(value).split('.')
  const digits = whole.replace(/\B(?=(?:[0-9]{3})+$)/g, ',')
  return fraction === undefined ? digits : `${digits}.${fraction}`
}

/** `1 record`, `2 records`, `1,234 entries`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`
}

/** `the only entry`, `all 2 entries`. */
export function countedAll(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? `the only ${one}` : `all ${counted(count, one, many)}`
}
