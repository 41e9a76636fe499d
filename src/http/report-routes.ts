/** Reports on the records of a tenant and a month, as data and as a page. */
import { reportHtml } from '../reports/report-html.ts'
import { Type } from '../typebox.ts'
import { answer, jsonAnswer, UNCACHED } from './answer.ts'
import { negotiate } from './negotiate.ts'
import { Refusal } from './problem.ts'
import * as schema from './record-schema.ts'
import type { RecordsGuard } from './records-guard.ts'
import { type Route, route, Text } from './route.ts'
import { turnsFor } from './turns.ts'

const REPORT_TYPES = ['application/json', 'text/html'] as const
const PAGE_HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  Vary: 'Accept',
}

const Month = Type.String({
  pattern: '^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])$',
  description: 'a month such as 2026-11, in UTC, from 1970 on',
})

/** Each goes through all records of its month. */
const AT_ONCE = { running: 2, waiting: 16 }

export function reportRoutes(guarded: RecordsGuard): Route[] {
  const inTurn = turnsFor('reporting', AT_ONCE)
  return [
    route({
      path: '/v1/reports/{month}',
      params: { month: Month },
      documentation: {
        tag: 'compliance',
        summary: 'The report on your tenant and a month',
        token: true,
        headers: { Accept: Text },
        answers: {
          200: {
            description: 'As data, or as a page to be printed.',
            content: { 'application/json': schema.Report, 'text/html; charset=utf-8': Text },
          },
        },
      },
      handle: guarded(async ({ request, by, compliance }) => {
        const type = negotiate(request.headers.accept as string | undefined, REPORT_TYPES)
        if (type === undefined) {
          throw new Refusal('NOT_ACCEPTABLE', `a report can be had as ${REPORT_TYPES.join(', ')}`)
        }
        const report = await inTurn(() => compliance.report(request.params.month, by))
        if (type === 'text/html') {
          return answer('text/html; charset=utf-8', UNCACHED, reportHtml(report), PAGE_HEADERS)
        }
        const given = jsonAnswer(report, UNCACHED)
        return { ...given, headers: { ...given.headers, Vary: 'Accept' } }
      }),
    }),
  ]
}
