/**
 * A route: what it is called, what it takes and gives, and the function behind it. The router and the OpenAPI
 * document are both made from these, so neither can know a route that the other does not.
 */
import type { Static, TObject, TProperties, TSchema } from 'typebox'
import { malformed } from '../errors.ts'
import { Check, Compile, Type } from '../typebox.ts'
import type { HeaderFields } from './admission.ts'
import type { Answer, StreamedAnswer } from './answer.ts'
import { parseQuery } from './query.ts'

/** What a route sees of a request. */
export interface RouteRequest<Params = Readonly<Record<string, string>>, Query = string> {
  readonly params: Params
  readonly query: Query
  /** The path below the log's prefix, as it was sent, without the leading slash. */
  readonly path: string
  /** The query as it was sent, without its question mark. */
  readonly rawQuery: string
  /** All header fields, by their names in lower case. */
  readonly headers: HeaderFields
  /** The body, once `check` has agreed to its length. */
  body(check: (size: number) => void): Promise<Uint8Array>
}

/** The representations of one answer, by media type. */
export interface AnswerDocumentation {
  readonly description: string
  readonly content?: Readonly<Record<string, TSchema>>
}

export interface Documentation {
  readonly summary: string
  readonly description?: string
  readonly tag:
    | 'tlog'
    | 'submission'
    | 'records'
    | 'compliance'
    | 'proofs'
    | 'rfc6962'
    | 'witness'
    | 'operations'
    | 'explorer'
  readonly token?: boolean
  readonly headers?: Readonly<Record<string, TSchema>>
  readonly body?: Readonly<Record<string, TSchema>>
  readonly answers: Readonly<Record<number, AnswerDocumentation>>
}

export type Method = 'GET' | 'POST' | 'DELETE'

export interface Route {
  readonly method: Method
  /** The path template of the documentation: `/v1/receipts/{index}`. */
  readonly path: string
  /** The router's pattern: `/v1/receipts/:index`. */
  readonly pattern: string
  readonly documentation: Documentation
  readonly params: TObject
  readonly query: TObject
  handle(request: RouteRequest): Reply | Promise<Reply>
  readonly restate?: Restate | undefined
}

type Reply = Answer | StreamedAnswer

/** Tells a problem in another way, where a protocol has its own. */
export type Restate = (problem: Answer, headers: HeaderFields) => Answer

interface Definition<P extends TProperties, Q extends TProperties> {
  readonly method?: Method
  readonly path: string
  /** Only where a parameter spans several segments of the path. */
  readonly pattern?: string
  readonly params?: P
  /** Parameters of the query; `'unchecked'` leaves it to `handle`. Without this there may be none. */
  readonly query?: Q | 'unchecked'
  readonly documentation: Documentation
  handle(request: RouteRequest<Static<TObject<P>>, Static<TObject<Q>>>): Reply | Promise<Reply>
  readonly restate?: Restate
}

/** Bytes in a body, for the documentation. */
export const Bytes: TSchema = Type.Unsafe<Uint8Array>({})
export const Text: TSchema = Type.String()

/** Completes a route: its parameters are checked against their schemas before `handle` sees them. */
// biome-ignore lint/complexity/noBannedTypes: no properties at all is what `{}` means here
export function route<P extends TProperties = {}, Q extends TProperties = {}>(
  definition: Definition<P, Q>,
): Route {
  const { path, documentation, method = 'GET' } = definition
  const params = Type.Object(definition.params ?? {})
  const unchecked = definition.query === 'unchecked'
  const query = Type.Object(definition.query === 'unchecked' ? {} : (definition.query ?? {}))
  const queryNames = Object.keys(query.properties)
  const checkParams = checker(params)
  const checkQuery = checker(query)
  return {
    method,
    path,
    pattern: definition.pattern ?? path.replace(/\{(\w+)\}/g, ':$1'),
    documentation,
    params,
    query,
    restate: definition.restate,
    handle(request) {
      const given = unchecked ? {} : parseQuery(request.rawQuery, queryNames)
      if (definition.pattern === undefined) checkParams(request.params)
      checkQuery(given)
      // Both were just checked against the schemas that give these types.
      const checked: RouteRequest<unknown, unknown> = { ...request, query: given }
      return definition.handle(checked as RouteRequest<Static<TObject<P>>, Static<TObject<Q>>>)
    },
  }
}

/** A check that names the first parameter that does not fit, in the words of its schema. */
function checker(schema: TObject): (values: Readonly<Record<string, string>>) => void {
  // Compiled at first use: most of a process's routes are never asked for.
  let validator: { Check(value: unknown): boolean } | undefined
  const required = new Set<string>(schema.required)
  return (values) => {
    validator ??= Compile(schema)
    if (validator.Check(values)) return
    for (const [name, member] of Object.entries(schema.properties)) {
      const value = values[name]
      if (value === undefined && !required.has(name)) continue
      const { description = 'something else' } = member as { description?: string }
      if (value === undefined) throw malformed(`"${name}" is missing; it is ${description}`)
      if (!Check(member, value)) throw malformed(`"${name}" must be ${description}`)
    }
    throw malformed('the parameters do not fit together')
  }
}
