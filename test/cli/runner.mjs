/**
 * Runs commands one after the other, each with arguments, environment, folder and standard input of its own, as one
 * process: most of the time of a short command is the start of its process. What is printed is sent as it comes, and a
 * signal reaches the command, so that one that serves until it is told to stop can be run as well.
 */
import { Readable, Writable } from 'node:stream'
import { run } from '../../dist/cli/program.js'

const home = process.cwd()

/** Stands in for a stream of the process, which is no terminal. */
function sender(name) {
  return new Writable({
    write(chunk, _, done) {
      process.send({ [name]: chunk })
      done()
    },
  })
}

function replace(name, value) {
  Object.defineProperty(process, name, { value, configurable: true, writable: true })
}

/** Waits until nothing of a command would keep its process from ending; what does, after five seconds. */
async function ending() {
  for (let turn = 0; ; turn++) {
    await new Promise((resolve) => setTimeout(resolve, turn === 0 ? 0 : 10))
    // Pipes are the channel to the tests, and what node itself writes its warnings to.
    const held = process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap')
    if (held.length === 0) return ''
    if (turn === 500) return `would not end: ${held}\n`
  }
}

/** @param {{ args: string[], env: Record<string, string>, cwd?: string, input?: string }} asked */
async function answer({ args, env, cwd, input }) {
  replace('stdin', Readable.from(input ? [Buffer.from(input)] : []))
  replace('stdout', sender('stdout'))
  replace('stderr', sender('stderr'))
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, env)
  process.chdir(cwd ?? home)
  process.exitCode = undefined
  await run(args)
  const held = await ending()
  const code = process.exitCode ?? 0
  for (const name of ['SIGINT', 'SIGTERM']) process.removeAllListeners(name)
  process.exitCode = undefined
  process.chdir(home)
  process.send({ stderr: Buffer.from(held) })
  process.send({ code })
}

let last = Promise.resolve()
process.on('message', (asked) => {
  last = last.then(() => answer(asked))
})
process.on('disconnect', () => process.exit())
