/** Documents that operators write, in YAML or JSON: a file is JSON when it begins with a brace, and YAML otherwise. */
import { parse, YAMLError } from 'yaml'
import { fromUtf8 } from '../bytes.ts'
import { messageOf, usage } from '../errors.ts'
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
    const bytes = await readFileUpTo(file, limit)
    const text = fromUtf8(bytes, file)
    return parse(/^\s*\{/.test(text) ? bytes : fromYaml(text))
  } catch (cause) {
    const what = cause instanceof YAMLError ? cause.message.split('\n')[0]! : messageOf(cause)
    throw usage(`cannot use the ${name} ${file}: ${what.replace(/:$/, '')}`, cause)
  }
}

/** What the text says; whether it can be said in JSON is looked at by whoever reads it. */
function fromYaml(text: string): JsonValue {
  return (parse(text, { strict: true, uniqueKeys: true, logLevel: 'error' }) ?? null) as JsonValue
}
