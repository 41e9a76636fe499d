/** The requests that another witness is tested with, one after the other. */
import { expect, it, onTestFinished } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { createWitnessApp } from '../../src/http/witness-app.ts'
import { hasSharedVectors, sharedBytes, sharedText } from '../support/shared-vectors.ts'
import { witnessPlace } from './test-witness.ts'

const FOLDER = 'filosottile-torchwood/add-checkpoint/'

interface Expected {
  readonly logVkey: string
  readonly steps: readonly {
    readonly request: string
    readonly currentSpecStatus: number
    readonly body409: string | null
  }[]
}

it.skipIf(!hasSharedVectors)(
  'add-checkpoint answers the requests of another implementation as the standard says now',
  async () => {
    const { logVkey, steps } = JSON.parse(sharedText(`${FOLDER}expected.json`)) as Expected
    expect(steps.length).toBeGreaterThan(5)
    const place = await witnessPlace()
    onTestFinished(() => place.remove())
    const witness = await place.open({ mlDsa: true })
    const key = parseVkey(logVkey)
    await witness.watch([key])
    const app = createWitnessApp({ witness, authenticate: () => undefined })
    for (const { request, currentSpecStatus, body409 } of steps) {
      const body = sharedBytes(FOLDER + request)
      const answer = await app.request('/add-checkpoint', {
        method: 'POST',
        body: body as RequestInit['body'] & {},
      })
      expect(answer.status, request).toBe(currentSpecStatus)
      const text = await answer.text()
      if (body409 !== null) expect(text).toBe(body409)
      if (answer.status !== 200) continue
      const sent = new TextDecoder().decode(body)
      const note = sent.slice(sent.indexOf('\n\n') + 2) + text
      const opened = openCheckpoint(utf8(note), [key], witness.vkeys.map(parseVkey))
      expect(opened.cosignatures, request).toHaveLength(2)
    }
  },
)
