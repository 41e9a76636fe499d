import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { type WitnessPlace, witnessPlace } from './test-witness.ts'
import { WitnessedLog } from './witnessed-log.ts'

let place: WitnessPlace
beforeEach(async () => {
  place = await witnessPlace()
})
afterEach(() => place.remove())

describe('a witness', () => {
  it('cosigns heads that grow', async () => {
    const witness = await place.open()
    const log = new WitnessedLog('log.example/one')
    await witness.watch([log.key.vkey])
    for (const [from, to] of [
      [0, 3],
      [3, 3],
      [3, 10],
    ] as const) {
      const outcome = await witness.addCheckpoint(log.request(from, to))
      if (outcome.outcome !== 'cosigned') throw new Error(JSON.stringify(outcome))
      const note = utf8(log.head(to) + outcome.cosignatures)
      const opened = openCheckpoint(note, [log.key.vkey], witness.vkeys.map(parseVkey))
      expect(opened.cosignatures.length).toBe(2)
    }
  })
})
