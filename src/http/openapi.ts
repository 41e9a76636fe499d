/** The OpenAPI document, made from the routes themselves. */
import type { TObject, TSchema } from 'typebox'
import { Type } from '../typebox.ts'
import { type Answer, answer, REVALIDATE } from './answer.ts'
import { type Documentation, type Route, route } from './route.ts'
import { Problem } from './schema.ts'

/** The version of the interface, not of the program. */
const VERSION = '1'

/** What a document says of itself. */
export interface ApiDescription {
  readonly title: string
  readonly description: string
  /** The tags of the routes, in the order in which they are shown. */
  readonly tags: readonly { readonly name: Documentation['tag']; readonly description: string }[]
}

const PROBLEM = { $ref: '#/components/schemas/Problem' }

/** The route that serves the document of `routes`, and of itself. */
export function openApiRoute(routes: readonly Route[], api: ApiDescription): Route {
  let document: Answer | undefined
  const self = route({
    path: '/openapi.json',
    query: 'unchecked',
    documentation: {
      tag: 'operations',
      summary: 'This document',
      answers: {
        200: { description: 'It.', content: { 'application/json': Type.Object({}) } },
      },
    },
    handle() {
      document ??= answer(
        'application/json',
        REVALIDATE,
        JSON.stringify(openApi([...routes, self], api)),
      )
      return document
    },
  })
  return self
}

/** The document of some routes. */
export function openApi(routes: readonly Route[], api: ApiDescription): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const one of routes) {
    paths[one.path] = { ...paths[one.path], [one.method.toLowerCase()]: operation(one) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: api.title,
      version: VERSION,
      description: api.description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    tags: api.tags,
    paths,
    components: {
      schemas: { Problem },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  }
}

function operation({ method, path, params, query, documentation }: Route): object {
  const { tag, summary, description, token, headers, body, answers } = documentation
  const parameters = [
    ...parametersIn('path', params),
    ...parametersIn('query', query),
    ...Object.entries(headers ?? {}).map(([name, schema]) => ({ name, in: 'header', schema })),
  ]
  return {
    operationId: operationId(method, path),
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(token === true ? { security: [{ token: [] }] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentOf(body) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, { description: what, content }]) => [
          status,
          { description: what, ...(content === undefined ? {} : { content: contentOf(content) }) },
        ]),
      ),
      default: {
        description: 'What went wrong.',
        content: { 'application/problem+json': { schema: PROBLEM } },
      },
    },
  }
}

function parametersIn(place: 'path' | 'query', schema: TObject): object[] {
  const required = new Set<string>(schema.required)
  return Object.entries(schema.properties).map(([name, member]) => ({
    name,
    in: place,
    required: place === 'path' || required.has(name),
    schema: member,
  }))
}

function contentOf(content: Readonly<Record<string, TSchema>>): object {
  return Object.fromEntries(
    Object.entries(content).map(([mediaType, schema]) => [mediaType, { schema }]),
  )
}

/** `GET /v1/receipts/{index}` becomes `getV1ReceiptsIndex`. */
function operationId(method: string, path: string): string {
  const words = path.split(/[^a-z0-9]+/i).filter((word) => word !== '')
  return method.toLowerCase() + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')
}
