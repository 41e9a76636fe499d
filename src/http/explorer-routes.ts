/**
 * The pages of a log for people. They are made here and need no script to be read; what they show they have from the
 * log itself.
 */
import type { TObject } from 'typebox'
import { fromHex } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { LogService } from '../log/service.ts'
import { leafHash } from '../merkle/hash.ts'
import { Type } from '../typebox.ts'
import { entryPage } from '../web/explorer/entry-page.tsx'
import { listPage } from '../web/explorer/list-page.tsx'
import { overviewPage } from '../web/explorer/overview-page.tsx'
import { searchPage } from '../web/explorer/search-page.tsx'
import { signInPage } from '../web/explorer/sign-in-page.tsx'
import type { Answer } from './answer.ts'
import { fileAnswer, HTML, pageAnswer, problemAsPage, redirect } from './explorer-answers.ts'
import { mustBeFromHere, PLACES, placeIn, smallEnough } from './explorer-forms.ts'
import { askedSearch, searchWith } from './explorer-search.ts'
import { explorerSessions } from './explorer-sessions.ts'
import { entryRows, overviewOf, publicationOf } from './explorer-view.ts'
import { type ExplorerOptions, visitsTo } from './explorer-visits.ts'
import { indexParameter } from './parameters.ts'
import { jsonReceiptWriter, type ReceiptType, receipt } from './receipt.ts'
import { Bytes, type Documentation, type Route, type RouteRequest, route, Text } from './route.ts'
import { Decimal } from './schema.ts'

export interface Explorer {
  /** The first page, for who asks `/` for HTML. */
  overview(request: Pick<RouteRequest, 'headers' | 'rawQuery'>): Promise<Answer>
  /** All others. */
  readonly routes: Route[]
}

/** Entries on a page of the list. */
const LISTED = 50
const RECEIPT_FILES: Readonly<Record<string, ReceiptType>> = {
  'tlog-proof': 'text/plain',
  json: 'application/json',
  cose: 'application/cose',
}

const PAGE = { 200: { description: 'A page.', content: { [HTML]: Text } } }
const REDIRECT = { 303: { description: 'To the page where it goes on.' } }

function documented(summary: string, answers: Documentation['answers'] = PAGE): Documentation {
  return { tag: 'explorer', summary, answers }
}

/** The pages of a log whose paths begin with `prefix`. */
export function explorer(options: ExplorerOptions): Explorer {
  const { log, prefix, records, history } = options
  const sessions = explorerSessions({ origin: log.origin, prefix })
  const visits = visitsTo(options, sessions)
  const writeJson = jsonReceiptWriter(log.origin)
  const signIn = `${prefix}/explore/sign-in`

  const asProblemPage: NonNullable<Route['restate']> = (refusal) =>
    problemAsPage(visits.frame(undefined), refusal)

  const routes = [
    route({
      path: '/explore/entries',
      query: {
        before: Type.Optional(
          Type.String({ pattern: '^(0|[1-9][0-9]{0,15})$', description: 'the index of an entry' }),
        ),
      },
      documentation: documented('A page of entries, the newest first'),
      async handle({ headers, query }) {
        const visit = await visits.of(headers)
        const committed = log.head().size
        const to = Math.min(Number(query.before ?? committed), committed)
        const rows = await entryRows(log, Math.max(0, to - LISTED), to, visit.mayReadEntries)
        return pageAnswer(listPage(visit.frame, { committed, rows, limit: LISTED }))
      },
      restate: asProblemPage,
    }),
    route({
      path: '/explore/entries/{index}',
      params: { index: Decimal },
      query: { grant: Type.Optional(Type.String({ description: 'the id of a grant' })) },
      documentation: documented('One entry: its record, its way to the root, its receipt'),
      async handle({ headers, params, query }) {
        const visit = await visits.of(headers)
        const index = indexParameter(params.index, 'index')
        // Refuses what the log does not have.
        const { leafHash: hash, proof, head } = await log.inclusion(index)
        const { content, refusedGrant } = await visits.content(visit, index, query.grant)
        const { size, root } = head
        return pageAnswer(
          entryPage(visit.frame, {
            proven: { index, size, root, leafHash: hash, proof },
            published: index < (publicationOf(log)?.size ?? 0),
            content,
            committed: log.head().size,
            ...(refusedGrant !== undefined && { refusedGrant }),
          }),
        )
      },
      restate: asProblemPage,
    }),
    route({
      path: '/explore/entries/{index}/{file}',
      params: {
        index: Decimal,
        file: Type.String({
          pattern: '^[0-9]{1,16}\\.(tlog-proof|json|cose|leaf)$',
          description: 'the index and what is wanted: .tlog-proof, .json, .cose or .leaf',
        }),
      },
      documentation: documented('The receipt of an entry, or the entry itself, as a file', {
        200: {
          description: 'The file.',
          content: {
            'application/json': Type.Object({}) as TObject,
            'text/plain; charset=utf-8': Text,
            'application/cose': Bytes,
            'application/octet-stream': Bytes,
          },
        },
      }),
      async handle({ headers, params }) {
        const index = indexParameter(params.index, 'index')
        const kind = params.file.slice(params.file.indexOf('.') + 1)
        if (params.file !== `${index}.${kind}`) {
          throw new CairnError('NOT_FOUND', `the files of entry ${index} begin with its index`)
        }
        const type = RECEIPT_FILES[kind]
        if (type !== undefined) {
          const made = await receipt(log, writeJson, await log.inclusion(index), type)
          return fileAnswer(params.file, made.mediaType, made.body)
        }
        const { content } = await visits.content(await visits.of(headers), index, undefined)
        if (content.kind === 'closed') throw new CairnError('FORBIDDEN', content.why)
        return fileAnswer(params.file, 'application/octet-stream', content.leaf)
      },
      restate: asProblemPage,
    }),
    route({
      path: '/explore/find',
      query: 'unchecked',
      documentation: documented('Leads to an entry, by its index or its leaf hash', REDIRECT),
      async handle({ rawQuery }) {
        const asked = (new URLSearchParams(rawQuery).get('q') ?? '').trim()
        return redirect(`${prefix}/explore/entries/${await findEntry(log, asked)}`)
      },
      restate: asProblemPage,
    }),
    route({
      path: '/explore/search',
      query: 'unchecked',
      documentation: documented('Searches the records of the tenant of who is signed in', {
        ...PAGE,
        ...REDIRECT,
      }),
      async handle({ headers, rawQuery }) {
        if (records === undefined) {
          throw new CairnError(
            'NOT_FOUND',
            'this log keeps leaves only: there are no records to search',
          )
        }
        const visit = await visits.of(headers)
        const place = `/explore/search${rawQuery === '' ? '' : `?${rawQuery}`}`
        if (visit.by === undefined) {
          return redirect(
            `${signIn}?place=${encodeURIComponent(PLACES.test(place) ? place : '/explore/search')}`,
          )
        }
        const asked = askedSearch(rawQuery)
        const view = await searchWith(records.compliance, visit.by, asked)
        return pageAnswer(searchPage(visit.frame, view), view.found === undefined ? 400 : 200)
      },
      restate: asProblemPage,
    }),
    route({
      path: '/explore/sign-in',
      query: 'unchecked',
      documentation: documented('Where a token is entered'),
      async handle({ headers, rawQuery }) {
        const { frame } = await visits.of(headers)
        return pageAnswer(signInPage(frame, { place: placeIn(new URLSearchParams(rawQuery)) }))
      },
      restate: asProblemPage,
    }),
    route({
      method: 'POST',
      path: '/explore/sign-in',
      documentation: {
        ...documented('Signs in with a token', REDIRECT),
        body: { 'application/x-www-form-urlencoded': Text },
      },
      async handle(request) {
        mustBeFromHere(request.headers)
        const form = new URLSearchParams(new TextDecoder().decode(await request.body(smallEnough)))
        const token = (form.get('token') ?? '').trim()
        const place = placeIn(form)
        const fault = await visits.faultOf(token)
        if (fault !== undefined) {
          return pageAnswer(signInPage(visits.frame(undefined), { place, fault }), 401, {
            'WWW-Authenticate': 'Bearer realm="cairn"',
          })
        }
        const secure = /^https:/.test(String(request.headers.origin ?? ''))
        return redirect(prefix + place, { 'Set-Cookie': sessions.begin(token, secure) })
      },
      restate: asProblemPage,
    }),
    route({
      method: 'POST',
      path: '/explore/sign-out',
      documentation: documented('Signs out', REDIRECT),
      handle({ headers }) {
        mustBeFromHere(headers)
        return redirect(`${prefix}/`, { 'Set-Cookie': sessions.end(headers) })
      },
      restate: asProblemPage,
    }),
  ]

  return {
    routes,
    async overview({ headers, rawQuery }) {
      const visit = await visits.of(headers)
      const range = /(^|&)range=day(&|$)/.test(rawQuery) ? 'day' : 'hour'
      const readable = visit.mayReadEntries
      const overview = await overviewOf(log, { readable, history, range })
      return pageAnswer(overviewPage(visit.frame, overview), 200, { Vary: 'Accept, Cookie' })
    },
  }
}

/** @throws MALFORMED, NOT_FOUND */
async function findEntry(log: LogService, asked: string): Promise<number> {
  if (/^[0-9a-fA-F]{64}$/.test(asked)) {
    const index = await log.indexOf(leafHash(fromHex(asked.toLowerCase())))
    if (index !== undefined) return index
    throw new CairnError('NOT_FOUND', 'no entry of this log has this leaf hash')
  }
  return indexParameter(asked.replaceAll(/[, ]/g, ''), 'q')
}
