import { afterEach, describe, expect, it } from 'vitest'
import { openWebhook } from '../../src/server/monitor-webhook.ts'
import {
  answer,
  type Behaviour,
  type FlakyServer,
  flakyServer,
  silence,
} from '../client/flaky-server.ts'

let server: FlakyServer | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

async function hookTo(...behaviours: Behaviour[]) {
  server = await flakyServer(...behaviours)
  const failures: string[] = []
  const url = `${server.url}/hook?token=secret`
  const onFailure = (message: string) => void failures.push(message)
  const hook = openWebhook({ url, onFailure, retries: 2, retryDelayMs: 1, timeoutMs: 200 })
  return { hook, failures, seen: server.seen }
}

const sent = (body: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(body))

describe('a webhook', () => {
  it('gets alerts as JSON, in their order', async () => {
    const { hook, failures, seen } = await hookTo(answer(204, ''))
    for (let i = 0; i < 5; i++) hook.send({ i })
    await hook.close()
    expect(seen.map(({ body }) => sent(body))).toEqual([0, 1, 2, 3, 4].map((i) => ({ i })))
    expect(seen[0]).toMatchObject({ method: 'POST', path: '/hook?token=secret' })
    expect(seen[0]?.headers['content-type']).toBe('application/json')
    expect(failures).toEqual([])
  })

  it('is asked again when it fails', async () => {
    const { hook, failures, seen } = await hookTo(answer(500, ''), answer(503, ''), answer(200, ''))
    hook.send({ a: 1 })
    await hook.close()
    expect(seen).toHaveLength(3)
    expect(failures).toEqual([])
  })

  it.each<[string, Behaviour, RegExp]>([
    ['fails', answer(500, 'no'), /status 500/],
    ['redirects', answer(302, '', { location: '/elsewhere' }), /cannot be reached/],
    ['says nothing', silence, /did not answer in time/],
    ['hangs up', (response) => response.destroy(), /cannot be reached/],
  ])('is given up when it always %s, and the next alert is tried', async (_, behaviour, words) => {
    const { hook, failures, seen } = await hookTo(behaviour)
    hook.send({ a: 1 })
    hook.send({ a: 2 })
    await hook.close()
    expect(seen.length).toBe(6)
    expect(failures).toHaveLength(2)
    expect(failures[0]).toMatch(words)
    // Its address may be a secret.
    expect(failures[0]).not.toContain('secret')
  })

  it('holds up nobody for longer than its grace', async () => {
    const { hook, failures } = await hookTo(silence)
    hook.send({ a: 1 })
    const started = performance.now()
    await hook.close(1)
    expect(performance.now() - started).toBeLessThan(1_000)
    expect(failures).toHaveLength(1)
  })

  it.each(['ftp://a.example', 'nonsense', '', 'https://user:pass@a.example/'])(
    'is not at %s',
    (url) => {
      expect(() => openWebhook({ url, onFailure() {} })).toThrow(/the webhook/)
    },
  )
})
