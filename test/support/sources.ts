/** The project's own sources as text, for tests that hold them to the rules of the house. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT: string = fileURLToPath(new URL('../../', import.meta.url))

/** The files below a folder of the project, by their path from its root. */
export function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
}

export function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

const COMMENT = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/
const STRING = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/
/** Where an expression can begin: elsewhere a slash divides. */
const PATTERN =
  /(?<=[(=,:!&|?;{}[]\s*|return\s)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/\w*/
const TOKENS = new RegExp(`(${COMMENT.source})|${PATTERN.source}|${STRING.source}`, 'g')

/** Code without its comments; strings stay. */
export function withoutComments(code: string): string {
  return code.replace(TOKENS, (match, comment?: string) => (comment === undefined ? match : ''))
}

/** Code without its comments, and with nothing in its strings and regular expressions. */
export function codeOnly(code: string): string {
  return code.replace(TOKENS, (_, comment?: string) => (comment === undefined ? "''" : ''))
}

const SPECIFIER =
  /\bfrom\s+(['"])([^'"\n]+)\1|\bimport\s+(['"])([^'"\n]+)\3|\bimport\s*\(\s*(['"])([^'"\n]+)\5/g

/** What a module imports and re-exports: modules of ours by their path from the root, others by their specifier. */
export function importsOf(path: string, code: string = readText(path)): string[] {
  return [...withoutComments(code).matchAll(SPECIFIER)]
    .map((match) => (match[2] ?? match[4] ?? match[6])!)
    .map((specifier) =>
      specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : specifier,
    )
}
