/**
 * kill -9 of a server that gossips, again and again: what was sent stays known as sent, failures stay known, and heads
 * never go backwards. Only a head that was on its way when the process died may come twice.
 */
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { parseState } from '../../src/gossip/state.ts'
import { newFolder, until } from '../gossip/heads.ts'
import { freePort, type ServeProcess, startServe } from '../support/cairn-process.ts'

const ROUNDS = Number(process.env.TEST_KILL_ROUNDS ?? 4)

it(`knows what it has sent through ${ROUNDS} kills`, {
  timeout: 30_000 + ROUNDS * 10_000,
}, async () => {
  const place = await newFolder()
  const received: number[] = []
  const hook = createServer(async (request, response) => {
    const { size } = JSON.parse(Buffer.concat(await request.toArray()).toString())
    received.push(size)
    response.end()
  })
  let server: ServeProcess | undefined
  try {
    await once(hook.listen(0, '127.0.0.1'), 'listening')
    const { port } = hook.address() as AddressInfo
    await writeFile(
      place.at('cairn.yaml'),
      `publish-interval: 20\ngossip:\n` +
        `  hook: { kind: webhook, url: "http://127.0.0.1:${port}", every-entries: 1 }\n` +
        `  gone: { kind: webhook, url: "http://127.0.0.1:1", every-entries: 1 }\n`,
    )
    const stateOf = async (sink: string) =>
      parseState(await readFile(place.at('log', 'gossip', `${sink}.json`)))
    const start = async () =>
      startServe(place.at('log'), await freePort(), ['--open', '--config', place.at('cairn.yaml')])

    let serial = 0
    let failures = 0
    for (let round = 0; round < ROUNDS; round++) {
      server = await start()
      const { url } = server
      const before = received.length
      const until_ = performance.now() + 800 + Math.random() * 700
      while (performance.now() < until_ || received.length === before) {
        const body = `leaf ${serial++}`
        await fetch(`${url}/v1/leaves`, {
          method: 'POST',
          headers: { 'content-type': 'application/octet-stream' },
          body,
        })
      }
      await server.kill()
      const { lastSize } = await stateOf('hook')
      // At most the very last one is not known to have been sent.
      expect(received.slice(-2)).toContain(lastSize)
      const gone = await stateOf('gone')
      expect(gone.failures).toBeGreaterThanOrEqual(failures)
      expect(gone.lastError?.message).toMatch(/^cannot be reached/)
      failures = gone.failures
    }
    expect(failures).toBeGreaterThan(0)

    server = await start()
    const { url } = server
    const lag = async () => {
      const { sinks } = (await (await fetch(`${url}/v1/gossip`)).json()) as {
        sinks: { name: string; lag: number; last_size: number; failures: number }[]
      }
      return sinks.find(({ name }) => name === 'hook')
    }
    await until('the newest head is sent', async () => (await lag())?.lag === 0)
    expect((await lag())?.last_size).toBe(received.at(-1))
    const sorted = received.toSorted((a, b) => a - b)
    expect(received).toEqual(sorted)
    const twice = received.filter((size, i) => size === received[i - 1])
    expect(twice.length).toBeLessThanOrEqual(ROUNDS)
    console.log(
      `${received.length} heads sent, ${twice.length} of them twice, ${failures} failures`,
    )
  } finally {
    await server?.kill()
    hook.closeAllConnections()
    hook.close()
    await place.discard()
  }
})
