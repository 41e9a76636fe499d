/** Query strings, strictly: known names only, each at most once, `+` is not a space. */
import { malformed } from '../errors.ts'

/**
 * The parameters of a query string (without its question mark). Only percent-encoding is undone.
 * @throws MALFORMED on an unknown or repeated name, or broken percent-encoding
 */
export function parseQuery(query: string, names: readonly string[]): Record<string, string> {
  const parameters: Record<string, string> = {}
  if (query === '') return parameters
  for (const part of query.split('&')) {
    const equals = part.indexOf('=')
    const name = equals < 0 ? part : part.slice(0, equals)
    if (!names.includes(name)) {
      const known = names.length === 0 ? 'there are none here' : `known here: ${names.join(', ')}`
      throw malformed(`the query has a parameter that is not known; ${known}`)
    }
    if (Object.hasOwn(parameters, name)) throw malformed(`the query gives "${name}" twice`)
    parameters[name] = decode(name, equals < 0 ? '' : part.slice(equals + 1))
  }
  return parameters
}

function decode(name: string, value: string): string {
  // Form decoding would turn base64's `+` into a space and the answer into one about another hash.
  if (value.includes('+')) {
    throw malformed(`the parameter "${name}" has a bare "+"; percent-encode it as %2B`)
  }
  try {
    return decodeURIComponent(value)
  } catch (cause) {
    throw malformed(`the parameter "${name}" has broken percent-encoding`, { cause })
  }
}
