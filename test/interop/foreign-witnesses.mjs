// Witnesses of other projects cosign a Cairn log, and their libraries verify what it serves:
//   node test/interop/foreign-witnesses.mjs
// Needs a built checkout and Go. Exits with 1 when anything differs.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  buildLitewitness,
  buildOmniwitness,
  cairn,
  freePort,
  runTool,
  startCairn,
  startLitewitness,
  startOmniwitness,
  until,
  withPrograms,
} from './programs.mjs'

/** How often the log grows, each time by another number of leaves. */
const ROUNDS = 40

let held = 0
await withPrograms(async (programs) => {
  const built = { ...buildLitewitness(programs.place), ...buildOmniwitness(programs.place) }
  const { tool } = built
  const data = join(programs.place, 'log')
  const port = await freePort()
  const flags = ['serve', '--data', data, '--port', port, '--open', '--publish-interval', '20']

  // The witnesses have to know the log's key, and the log the witnesses' keys.
  const unwitnessed = await startCairn(programs, flags)
  await unwitnessed.stop()
  const [vkey] = readFileSync(unwitnessed.vkey_file, 'utf8').split('\n')
  const lite = await startLitewitness(programs, { ...built, name: 'example.com/lite', log: vkey })
  const omni = await startOmniwitness(programs, { ...built, name: 'example.com/omni', log: vkey })
  const keys = [...lite.vkeys, ...omni.vkeys]
  const [liteLine, omniLine, mlDsaLine] = [
    `witness lite ${lite.vkeys[0]} ${lite.url}`,
    `witness omni ${omni.vkeys[0]} ${omni.url}`,
    `witness omni-ml-dsa ${omni.vkeys[1]} ${omni.url}`,
  ]
  const policy = join(programs.place, 'policy')
  writeFileSync(
    policy,
    `log ${vkey}\n${liteLine}\n${omniLine}\n${mlDsaLine}\ngroup all all lite omni omni-ml-dsa\nquorum all\n`,
  )
  // What the libraries read: they know no ML-DSA-44 key in a policy.
  const ed25519Policy = join(programs.place, 'ed25519-policy')
  writeFileSync(
    ed25519Policy,
    `log ${vkey}\n${liteLine}\n${omniLine}\ngroup both all lite omni\nquorum both\n`,
  )
  const witnesses = keys.flatMap((key) => ['-witness', key])
  const go = (input, more = []) =>
    runTool(tool, ['check', '-log', vkey, '-policy', ed25519Policy, ...witnesses, ...more], input)

  const log = await startCairn(programs, [...flags, '--policy', policy])
  const sizes = new Set()
  let size = 0
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < round % 7; i++) await post(log.url, `leaf ${size++}`)
    const leaf = `leaf ${size++}`
    const receipt = await post(log.url, leaf, 'text/plain')
    go(receipt, ['-leaf', leaf])
    sizes.add(receipt.split('\n\n')[1].split('\n')[1])
    if (round % 10 === 0) verify(programs, policy, leaf, receipt)
  }
  say(`both witnesses cosigned ${sizes.size} heads; Go's libraries and cairn verify the receipts`)

  const checkpoint = await head(log.url, size)
  const served = go(checkpoint)
  const file = join(programs.place, 'checkpoint')
  writeFileSync(file, checkpoint)
  const audit = cairn(['audit', log.url, '--policy', policy, '--json'])
  if (audit.status !== 0) throw new Error(audit.stderr || audit.stdout)
  say(`/checkpoint carries the cosignatures of both, of three keys: ${served}`)

  await lite.kill()
  const late = await fetch(`${log.url}/v1/leaves?wait=witnessed`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/octet-stream', Prefer: 'wait=1' },
    body: `leaf ${size++}`,
  })
  if (late.status !== 202) throw new Error(`without a witness the answer is ${late.status}`)
  if ((await sizeOf(log.url)) !== size - 1) throw new Error('a head without its quorum is served')
  await lite.restart()
  go(await head(log.url, size))
  say('a witness that was gone is asked for the newest head when it is back')
  await log.stop()
})
console.log(`foreign witnesses: ${held} held`)

function say(what) {
  held++
  console.log(`  held  ${what}`)
}

/** Appends a leaf, and gives its receipt once its tree is witnessed. */
async function post(url, leaf, type = 'application/json') {
  const answer = await fetch(`${url}/v1/leaves?wait=witnessed`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/octet-stream', Accept: type },
    body: leaf,
  })
  const receipt = await answer.text()
  if (answer.status !== 201) throw new Error(`${leaf}: ${answer.status} ${receipt}`)
  return receipt
}

async function sizeOf(url) {
  const checkpoint = await (await fetch(`${url}/checkpoint`)).text()
  return Number(checkpoint.split('\n')[1])
}

/** The checkpoint that is served, once it is of this size. */
function head(url, size) {
  return until(`a head of ${size} leaves`, async () => {
    const checkpoint = await (await fetch(`${url}/checkpoint`)).text()
    return checkpoint.split('\n')[1] === String(size) && checkpoint
  })
}

/** Our own command agrees about a receipt. */
function verify(programs, policy, leaf, receipt) {
  const [file, leafFile] = ['receipt', 'receipt.leaf'].map((name) => join(programs.place, name))
  writeFileSync(file, receipt)
  writeFileSync(leafFile, leaf)
  const { status, stdout } = cairn(['verify', file, '--leaf', leafFile, '--policy', policy])
  if (status !== 0 || !stdout.includes('omni/ml-dsa-44')) throw new Error(stdout)
}
