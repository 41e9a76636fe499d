// Witnesses of other projects cosign heads of a Cairn log: node test/interop/foreign-witnesses.mjs
// Needs a built checkout and Go. Exits with 1 when anything differs.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromBase64 } from '../../dist/bytes.js'
import { witnessClient } from '../../dist/client/witness-client.js'
import {
  buildLitewitness,
  buildOmniwitness,
  startCairn,
  startLitewitness,
  startOmniwitness,
  withPrograms,
} from './programs.mjs'

let size = 0
await withPrograms(async (programs) => {
  const { tool, litewitness } = buildLitewitness(programs.place)
  const omniwitness = buildOmniwitness(programs.place)
  const log = await startCairn(programs, [
    ...['serve', '--data', join(programs.place, 'log'), '--port', '0', '--open'],
  ])
  const [vkey] = readFileSync(log.vkey_file, 'utf8').split('\n')
  const witness = await startLitewitness(programs, {
    tool,
    litewitness,
    name: 'example.com/litewitness',
    log: vkey,
  })
  const omni = await startOmniwitness(programs, {
    tool,
    omniwitness,
    name: 'example.com/omniwitness',
    log: vkey,
  })
  for (const w of [witness, omni]) {
    const client = witnessClient({ url: w.url })
    const first = await grow(log, 3)
    console.log(await client.addCheckpoint({ oldSize: 0, proof: [], checkpoint: first }))
    const second = await grow(log, 300)
    console.log(await client.addCheckpoint({ oldSize: 0, proof: [], checkpoint: second }))
    console.log(await client.addCheckpoint({ oldSize: 3, proof: [], checkpoint: second }))
    console.log(
      await client.addCheckpoint({
        oldSize: 3,
        proof: await proof(log, 3, 303),
        checkpoint: second,
      }),
    )
  }
})

async function proof(log, first, second) {
  const answer = await fetch(`${log.url}/v1/proofs/consistency/${first}/${second}`)
  const { consistency_path: path } = await answer.json()
  return path.map((hash) => fromBase64(hash))
}

async function grow(log, count) {
  for (let i = 0; i < count; i++) {
    const answer = await fetch(`${log.url}/add`, { method: 'POST', body: `leaf ${size++}` })
    if (!answer.ok) throw new Error(await answer.text())
  }
  for (;;) {
    const checkpoint = await (await fetch(`${log.url}/checkpoint`)).text()
    if (checkpoint.split('\n')[1] === String(size)) return checkpoint
  }
}
