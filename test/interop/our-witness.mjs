// Cairn's witness cosigns a log of Tessera's and one of Cairn's, and Go's libraries verify what it signs:
//   node test/interop/our-witness.mjs
// Needs a built checkout and Go. Exits with 1 when anything differs.
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromBase64, toBase64, utf8 } from '../../dist/bytes.js'
import { formatSignSubtree } from '../../dist/formats/sign-subtree.js'
import { Frontier } from '../../dist/merkle/frontier.js'
import { hashLeaf } from '../../dist/merkle/hash.js'
import {
  buildTool,
  cairn,
  freePort,
  runTool,
  startCairn,
  until,
  withPrograms,
} from './programs.mjs'

const ORIGIN = 'example.com/tessera'

let held = 0
await withPrograms(async (programs) => {
  const tool = buildTool(programs.place)
  const keys = JSON.parse(runTool(tool, ['keys', '-name', ORIGIN])).log
  const skey = file('log.skey', keys.skey)
  const one = await newWitness('example.com/one')
  const two = await newWitness('example.com/two')
  const both = [...one.lines, ...two.lines]

  // A witness that signs with two keys is asked by Tessera for each, under an address of its own.
  const all = policy('all', [
    ...both,
    `group every all ${both.map(nameIn).join(' ')}`,
    'quorum every',
  ])
  const first = policy('first', [one.lines[0], 'quorum one-ed25519'])
  const ed25519 = [one.lines[0], two.lines[0]]
  const read = policy('read', [...ed25519, 'group both all one-ed25519 two-ed25519', 'quorum both'])
  const directory = join(programs.place, 'tessera')

  let log = await startTessera(directory, all)
  for (const count of [1, 10, 300, 1, 777]) verified(await log.add(count))
  say('Tessera has its heads cosigned by two witnesses, with an Ed25519 and an ML-DSA-44 key each')

  await one.kill()
  await one.restart()
  verified(await log.add(20))
  say('a witness that was killed goes on from the head that it cosigned last')
  await log.end()

  log = await startTessera(directory, first)
  await log.add(300)
  await log.end()
  log = await startTessera(directory, all)
  verified(await log.add(5))
  say('a witness that was left out says how far it is, and Tessera catches up')
  await log.end()

  const audit = cairn(['audit', directory, '--policy', all, '--json'])
  if (audit.status !== 0) throw new Error(audit.stderr || audit.stdout)
  say("cairn audits Tessera's files, cosignatures and all")

  await refuseFork()
  await ourLog()

  function file(name, text) {
    writeFileSync(join(programs.place, name), text)
    return join(programs.place, name)
  }

  function policy(name, lines) {
    return file(`policy-${name}`, `log ${keys.vkey}\n${lines.join('\n')}\n`)
  }

  /** A witness that knows Tessera's log, and its lines of a policy: Ed25519 first. */
  async function newWitness(name) {
    const [, short] = name.split('/')
    const port = await freePort()
    const flags = ['witness', '--data', join(programs.place, short), '--port', port, '--name', name]
    const start = () => startCairn(programs, [...flags, '--log', keys.vkey, '--sign-subtree'])
    let running = await start()
    const [ed25519Key, mlDsaKey] = running.vkeys
    return {
      name,
      port,
      url: running.url,
      data: join(programs.place, short),
      vkeys: running.vkeys,
      lines: [
        `witness ${short}-ed25519 ${ed25519Key} http://127.0.0.1:${port}/`,
        `witness ${short}-ml-dsa-44 ${mlDsaKey} http://localhost:${port}/`,
      ],
      kill: () => running.kill(),
      async restart() {
        running = await start()
      },
    }
  }

  function nameIn(line) {
    return line.split(' ')[1]
  }

  /** Tessera's log, driven by lines: see witness/tessera.go. */
  async function startTessera(dir, policyFile, more = []) {
    const flags = ['tessera', '-dir', dir, '-skey', skey, '-policy', policyFile, ...more]
    const program = programs.start(tool, flags)
    await program.line()
    return {
      ...program,
      /** A published head that holds so many new entries. */
      async add(count) {
        program.child.stdin.write(`add ${count}\n`)
        return JSON.parse(await program.line()).checkpoint
      },
      async end() {
        program.child.stdin.end()
        const [code] = await program.exited
        if (code !== 0) throw new Error(program.said())
      },
    }
  }

  /** Verified by the keys of both witnesses, and by the libraries' own reading of a policy. */
  function verified(checkpoint) {
    const witnesses = [...one.vkeys, ...two.vkeys].flatMap((key) => ['-witness', key])
    runTool(tool, ['check', '-log', keys.vkey, '-policy', read, ...witnesses], checkpoint)
  }

  /** A copy of the log grows in another way: no witness cosigns it, and both keep what it signed. */
  async function refuseFork() {
    const copy = join(programs.place, 'fork')
    cpSync(directory, copy, { recursive: true })
    log = await startTessera(directory, all)
    verified(await log.add(7))
    await log.end()
    const fork = await startTessera(copy, all, ['-patience', '3s', '-timeout', '1s'])
    let refused = false
    await fork.add(9).catch(() => {
      refused = true
    })
    if (!refused) throw new Error('a fork was published')
    if (!/consistency proof is bad/.test(fork.said())) throw new Error(fork.said())
    for (const { data } of [one, two]) {
      const { status, stdout } = cairn(['witness', 'conflicts', '--data', data, '--json'])
      if (status !== 0 || !stdout.includes(ORIGIN))
        throw new Error(`no conflict was kept: ${stdout}`)
    }
    log = await startTessera(directory, all)
    verified(await log.add(1))
    await log.end()
    say(
      "Tessera's fork gets no cosignature, and both witnesses keep the proof that its key signed it",
    )
  }

  /** A Cairn log with the same witness: receipts and subtrees. */
  async function ourLog() {
    const [data, port] = [join(programs.place, 'log'), await freePort()]
    const flags = ['serve', '--data', data, '--port', port, '--open']
    const unwitnessed = await startCairn(programs, flags)
    await unwitnessed.stop()
    const [vkey] = readFileSync(unwitnessed.vkey_file, 'utf8').split('\n')
    const added = cairn(['witness', 'add', unwitnessed.vkey_file, '--data', one.data])
    if (added.status !== 0) throw new Error(added.stderr)
    const lines = [
      `witness one-ed25519 ${one.vkeys[0]} ${one.url}`,
      `witness one-ml-dsa-44 ${one.vkeys[1]} ${one.url}`,
    ]
    const ours = file(
      'policy-ours',
      `${lines.join('\n')}\ngroup one all one-ed25519 one-ml-dsa-44\nquorum one\n`,
    )
    const theirs = file('policy-theirs', `log ${vkey}\n${lines[0]}\nquorum one-ed25519\n`)
    const server = await startCairn(programs, [...flags, '--policy', ours])

    const frontier = new Frontier()
    let subtree
    let receipt
    for (let i = 0; i < 13; i++) {
      const leaf = `leaf ${i}`
      frontier.append(hashLeaf(utf8(leaf)))
      if (i === 7) subtree = frontier.root()
      const answer = await fetch(`${server.url}/v1/leaves?wait=witnessed`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/octet-stream', Accept: 'text/plain' },
        body: leaf,
      })
      if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
      receipt = await answer.text()
      const witnesses = one.vkeys.flatMap((key) => ['-witness', key])
      const checks = ['check', '-log', vkey, '-policy', theirs, ...witnesses, '-leaf', leaf]
      runTool(tool, checks, receipt)
    }
    say("Go's libraries verify receipts of a Cairn log, with both keys of its witness")

    const origin = vkey.split('+')[0]
    const checkpoint = await until('the head', async () => {
      const text = await (await fetch(`${server.url}/checkpoint`)).text()
      return text.split('\n')[1] === '13' && text
    })
    const found = await fetch(`${server.url}/v1/proofs/consistency/8/13`)
    const { consistency_path: path } = await found.json()
    const answer = await fetch(`${one.url}/sign-subtree`, {
      method: 'POST',
      body: formatSignSubtree({
        subtree: { start: 0, end: 8 },
        hash: subtree,
        proof: path.map((hash) => fromBase64(hash)),
        checkpoint,
      }),
    })
    const signed = await answer.text()
    if (answer.status !== 200) throw new Error(signed)
    const asked = ['-origin', origin, '-start', '0', '-end', '8', '-hash', toBase64(subtree)]
    runTool(tool, ['subtree', '-witness', one.vkeys[1], ...asked], signed)
    say("formats verifies the witness's signature of a subtree")
    await server.stop()
  }
})
console.log(`our witness: ${held} held`)

function say(what) {
  held++
  console.log(`  held  ${what}`)
}
