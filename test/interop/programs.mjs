// What the scripts of this folder start: Cairn's own command, and programs in Go. All of them listen on 127.0.0.1.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const HERE = fileURLToPath(new URL('.', import.meta.url))
const WITNESSES = join(HERE, 'witness')
const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
/** How long a program may take until it answers. */
const START_MS = 20_000

/** Runs something with a folder of its own, and ends every program that it started. */
export async function withPrograms(run) {
  const place = mkdtempSync(join(tmpdir(), 'cairn-interop-'))
  const running = new Set()
  try {
    await run({
      place,
      /** Starts a program; what it prints on standard output is read by lines. */
      start(file, flags, options = {}) {
        const child = spawn(file, flags, { stdio: ['pipe', 'pipe', 'pipe'], ...options })
        const program = watch(child, `${file} ${flags[0] ?? ''}`)
        running.add(program)
        program.exited.then(() => running.delete(program))
        return program
      },
    })
  } finally {
    await Promise.all([...running].map((program) => program.kill()))
    rmSync(place, { recursive: true, force: true })
  }
}

function watch(child, name) {
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr = (stderr + chunk).slice(-20_000)
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    exited,
    child,
    said: () => stderr,
    /** The next line that it prints. */
    async line() {
      const { done, value } = await lines.next()
      if (done) throw new Error(`${name} ended: ${stderr}`)
      return value
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    /** Asks it to end; it must end well. */
    async stop() {
      child.kill('SIGTERM')
      const [code] = await exited
      if (code !== 0) throw new Error(`${name} ended with ${code}: ${stderr}`)
    },
  }
}

/** Builds a program of a Go module. */
export function goBuild(module, target, output, flags = []) {
  const all = ['build', ...flags, '-o', output, target]
  const { status } = spawnSync('go', all, { cwd: module, stdio: 'inherit' })
  if (status !== 0) throw new Error(`${target} cannot be built`)
  return output
}

/** The helper of ./witness. */
export function buildTool(place) {
  return goBuild(WITNESSES, '.', join(place, 'witness'))
}

/** torchwood's witness, and the helper that it needs. */
export function buildLitewitness(place) {
  return {
    tool: buildTool(place),
    litewitness: goBuild(
      WITNESSES,
      'filippo.io/torchwood/cmd/litewitness',
      join(place, 'litewitness'),
    ),
  }
}

/**
 * The witness of transparency-dev. Its /sign-subtree needs a function that no release of its Merkle library has yet; here
 * it gets one that refuses every proof, and all the rest is theirs.
 */
export function buildOmniwitness(place) {
  const merkle = join(place, 'merkle')
  const list = ['list', '-m', '-f', '{{.Dir}}', 'github.com/transparency-dev/merkle']
  spawnSync('go', ['mod', 'download', 'github.com/transparency-dev/merkle'], { cwd: WITNESSES })
  const { stdout } = spawnSync('go', list, { cwd: WITNESSES, encoding: 'utf8' })
  cpSync(stdout.trim(), merkle, { recursive: true })
  spawnSync('chmod', ['-R', 'u+w', merkle])
  writeFileSync(join(merkle, 'proof', 'subtree.go'), NO_SUBTREES)

  const modules = readFileSync(join(WITNESSES, 'go.mod'), 'utf8')
  const modfile = join(place, 'omniwitness.mod')
  writeFileSync(modfile, modules.replace(/(?<=merkle => ).*/, merkle))
  cpSync(join(WITNESSES, 'go.sum'), join(place, 'omniwitness.sum'))
  const target = 'github.com/transparency-dev/witness/cmd/omniwitness'
  return {
    omniwitness: goBuild(WITNESSES, target, join(place, 'omniwitness'), [`-modfile=${modfile}`]),
  }
}

const NO_SUBTREES = `package proof

import (
	"errors"

	"github.com/transparency-dev/merkle"
)

func VerifySubtreeConsistency(merkle.LogHasher, uint64, uint64, uint64, [][]byte, []byte, []byte) error {
	return errors.New("not in this build")
}
`

/** What the helper of ./witness prints for a command that ends by itself. */
export function runTool(tool, flags, input = '') {
  const { status, stdout, stderr } = spawnSync(tool, flags, { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout.trim()
}

/** `cairn <command> --json` as a server, and what it says about itself. */
export async function startCairn(programs, flags) {
  const program = programs.start(process.execPath, [COMMAND, ...flags, '--json'])
  let text = ''
  for (;;) {
    const line = await program.line()
    text += line
    if (line === '}') return { ...JSON.parse(text), ...program }
  }
}

/** Runs `cairn` to its end. */
export function cairn(flags) {
  return spawnSync(process.execPath, [COMMAND, ...flags], { encoding: 'utf8' })
}

export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}

/** Asks until something true comes back. */
export async function until(what, ask, limitMs = START_MS) {
  const end = performance.now() + limitMs
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (performance.now() > end) throw new Error(`in vain waited for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

/** torchwood's witness, which knows one log. `tool` is the program of ./witness, which serves it the key. */
export async function startLitewitness(programs, { tool, litewitness, name, log }) {
  const place = join(programs.place, name.replaceAll('/', '_'))
  const [database, socket] = [`${place}.db`, `${place}.sock`]
  const agent = programs.start(tool, [
    'litewitness',
    ...['-db', database, '-socket', socket, '-vkey', log],
  ])
  const key = await agent.line()
  const address = `127.0.0.1:${await freePort()}`
  const url = `http://${address}`
  const start = async () => {
    const witness = programs.start(litewitness, [
      ...['-db', database, '-ssh-agent', socket, '-key', key, '-name', name, '-listen', address],
    ])
    await answering(url, witness)
    return witness
  }
  const witness = await start()
  const home = await (await fetch(url)).text()
  const vkey = home.split('\n').find((line) => line.startsWith(`${name}+`))
  return { name, url, vkeys: [vkey], ...witness, restart: start }
}

/** Waits until a server answers anything. */
export async function answering(url, program) {
  await until(url, async () => {
    if (program.child.exitCode !== null) throw new Error(program.said())
    return fetch(url).catch(() => undefined)
  })
}

/** transparency-dev's witness, which knows one log and signs with an Ed25519 and an ML-DSA-44 key. */
export async function startOmniwitness(programs, { tool, omniwitness, name, log }) {
  const place = join(programs.place, name.replaceAll('/', '_'))
  mkdirSync(place)
  const keys = JSON.parse(runTool(tool, ['keys', '-name', name]))
  const files = ['ed25519', 'mlDsa'].map((type) => {
    writeFileSync(join(place, type), keys[type].skey)
    return join(place, type)
  })
  const [origin] = log.split('+')
  const logs = join(place, 'logs.yaml')
  writeFileSync(logs, JSON.stringify({ Logs: [{ Origin: origin, PublicKey: log, URL: '' }] }))
  const address = `127.0.0.1:${await freePort()}`
  const witness = programs.start(omniwitness, [
    ...['--listen', address, '--metrics_listen', '', '--db_file', join(place, 'db')],
    ...['--additional_logs', logs, ...files.flatMap((file) => ['--private_key_path', file])],
  ])
  const url = `http://${address}`
  await answering(url, witness)
  return { name, url, vkeys: [keys.ed25519.vkey, keys.mlDsa.vkey], ...witness }
}
