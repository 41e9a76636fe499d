/** The verifier page over HTTP: as it is, compressed, unchanged, and not there. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { verifierPage } from '../../.ci/verifier-page.mjs'
import { CairnError } from '../../src/errors.ts'
import { requestMetrics } from '../../src/http/request-metrics.ts'
import { emptyApp, register } from '../../src/http/router.ts'
import { verifierPage as builtPage } from '../../src/http/verifier-page.ts'
import { verifierRoute } from '../../src/http/verifier-route.ts'
import { ROOT } from '../support/sources.ts'

const BUILT = join(ROOT, 'dist/web/verifier/page.html')

function appOf(page: () => Promise<string>) {
  const options = { metrics: requestMetrics(), onError: () => {} }
  const app = emptyApp(options)
  register(app, '', [verifierRoute(page)], options)
  return app
}

describe('GET /verify', () => {
  let text: string
  let app: ReturnType<typeof appOf>
  beforeAll(async () => {
    text = await verifierPage()
    app = appOf(async () => text)
  })

  it('is the page, under its own policy and in no frame', async () => {
    const response = await app.request('/verify')
    expect(response.status).toBe(200)
    expect(await response.text()).toBe(text)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      vary: 'Accept-Encoding',
    })
    const policy = response.headers.get('content-security-policy')
    expect(policy).toMatch(
      /^default-src 'none'; script-src 'sha256-[^']+'; .*; frame-ancestors 'none'$/,
    )
    expect((await app.request('/verify', { method: 'HEAD' })).status).toBe(200)
    expect((await app.request('/verify', { method: 'POST' })).status).toBe(405)
  })

  it('is compressed for those who ask, and not sent again to those who have it', async () => {
    const response = await app.request('/verify', { headers: { 'accept-encoding': 'br, gzip' } })
    expect(response.headers.get('content-encoding')).toBe('gzip')
    const bytes = Buffer.from(await response.arrayBuffer())
    expect(gunzipSync(bytes).toString()).toBe(text)
    expect(bytes.length).toBeLessThan(200_000)
    const tag = response.headers.get('etag')!
    const again = await app.request('/verify', { headers: { 'if-none-match': tag } })
    expect(again.status).toBe(304)
    const other = await app.request('/verify', { headers: { 'if-none-match': 'W/"other"' } })
    expect(other.status).toBe(200)
  })

  it.runIf(existsSync(BUILT))('is the one of the build', async () => {
    const response = await appOf(builtPage).request('/verify')
    expect(response.status).toBe(200)
    expect(await response.text()).toBe(readFileSync(BUILT, 'utf8'))
  })

  it('is not found before a build', async () => {
    const missing = appOf(() => Promise.reject(new CairnError('NOT_FOUND', 'not built')))
    const response = await missing.request('/verify')
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
  })
})
