/** What objects may be called, the same in every object store, so that an archive can be moved from one to another. */
import { malformed } from '../errors.ts'

/** No segment begins with a dot, so that `..` is none and a store can keep files of its own beside the objects. */
const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._=+@-]{0,199}$/

/** S3 takes keys of 1,024 bytes, of which a prefix needs some. */
const LONGEST = 800

/** An object's name, checked. @throws MALFORMED */
export function checkObjectName(name: string): string {
  if (name.length > LONGEST || !name.split('/').every((segment) => SEGMENT.test(segment))) {
    throw malformed(`${JSON.stringify(name)} is no name of an object`)
  }
  return name
}

/** The beginning of names: nothing, or whole segments and perhaps a part of one. @throws MALFORMED */
export function checkNamePrefix(prefix: string): string {
  if (prefix === '') return prefix
  return prefix.endsWith('/') ? `${checkObjectName(prefix.slice(0, -1))}/` : checkObjectName(prefix)
}

/** Compares names as object stores order them: by their bytes. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
