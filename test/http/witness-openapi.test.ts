import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createWitnessApp } from '../../src/http/witness-app.ts'
import { type WitnessPlace, witnessPlace } from '../witness/test-witness.ts'

const SAVED = new URL('../../spec/openapi-witness.json', import.meta.url)

let place: WitnessPlace
beforeAll(async () => {
  place = await witnessPlace()
})
afterAll(() => place.remove())

it("is the witness's document in spec/; UPDATE_SPEC=1 writes it anew", async () => {
  const witness = await place.open({ signSubtrees: true, mlDsa: true })
  const app = createWitnessApp({ witness, authenticate: () => undefined })
  const document = await (await app.request('/openapi.json')).json()
  const text = `${JSON.stringify(document, null, 2)}\n`
  if (process.env.UPDATE_SPEC === '1') writeFileSync(SAVED, text)
  expect(readFileSync(SAVED, 'utf8')).toBe(text)
})
