/** Documents that operators write, in YAML or JSON: a file is JSON when it begins with a brace, and YAML otherwise. */
import { parse } from 'yaml'
import { fromUtf8 } from '../bytes.ts'
import { malformed, messageOf, usage } from '../errors.ts'
import type { DocumentSource } from '../formats/json-members.ts'
import type { JsonValue } from '../formats/json-strict.ts'
import { readFileUpTo } from './bounded-file.ts'

/** A kind of document. */
export interface DocumentKind<Value> {
  /** For messages: `retention table`. */
  readonly name: string
  /** The largest, in bytes. */
  readonly limit: number
  /** Reads the document. @throws MALFORMED with the JSON Pointer of what is wrong */
  parse(source: DocumentSource): Value
}

/** Reads a document from a file. @throws USAGE with the file, the place in it, and what is wrong there */
export async function readDocumentFile<Value>(
  file: string,
  { name, limit, parse }: DocumentKind<Value>,
): Promise<Value> {
  try {
    return parse(documentIn(await readFileUpTo(file, limit), file))
  } catch (cause) {
    throw usage(`cannot use the ${name} ${file}: ${messageOf(cause)}`, cause)
  }
}

/**
 * The document that a text is: JSON as it came, YAML as what it says. Whether that can be said in JSON is looked at by
 * whoever reads it.
 * @throws MALFORMED when it is neither
 */
export function documentIn(bytes: Uint8Array, what: string): DocumentSource {
  const text = fromUtf8(bytes, what)
  if (/^\s*\{/.test(text)) return bytes
  try {
    const value: unknown = parse(text, { strict: true, uniqueKeys: true, logLevel: 'error' })
    return (value ?? null) as JsonValue
  } catch (cause) {
    // Beside YAMLError there are errors of their own kinds, such as one for too many aliases.
    throw malformed(messageOf(cause).split('\n')[0]!.replace(/:$/, ''), { cause })
  }
}
