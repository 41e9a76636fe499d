// Replays the Dockerfile without a container engine: each stage is a folder, COPY and RUN happen in it with Node 24, and
// the images that people run are started, asked for their health, and stopped, as an engine would. What it cannot show:
// the base image, and that the process is not root.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const CONTEXT = fileURLToPath(new URL('..', import.meta.url))
/** The images that people run, and what each leaves on its volume at the first start. */
const IMAGES = {
  log: ['log/log.vkey', 'log/admin.token'],
  witness: ['witness/witness.vkey', 'witness/witness.policy', 'witness/admin.token'],
}
const COPY = { recursive: true, verbatimSymlinks: true }
const place = mkdtempSync(join(tmpdir(), 'cairn-image-'))
const node = node24()
const environment = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` }

try {
  const stages = build(instructions(readFileSync(join(CONTEXT, 'Dockerfile'), 'utf8')))
  if ([...stages.keys()].at(-1) !== 'log') throw new Error('the log is not what is built by itself')
  for (const [name, made] of Object.entries(IMAGES)) {
    const image = stages.get(name)
    if (image.user === 'root') throw new Error(`${name} runs as root`)
    for (const left of ['typescript', 'vitest', '@biomejs/biome']) {
      if (existsSync(join(image.root, image.workdir, 'node_modules', left)))
        throw new Error(`${left} is in the image ${name}`)
    }
    await tryOut(image, made)
    console.log(`the image ${name} is built, starts, is healthy and stops`)
  }
} finally {
  rmSync(place, { recursive: true, force: true })
}

function node24() {
  const npx = ['-y', '-p', 'node@24', 'node', '-p', 'process.execPath']
  const { stdout, status } = spawnSync('npx', npx, { encoding: 'utf8', cwd: tmpdir() })
  if (status !== 0) throw new Error('Node 24 cannot be had')
  return stdout.trim().split('\n').at(-1)
}

/** The instructions as pairs of a name and its text. */
function instructions(dockerfile) {
  return dockerfile
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => /^([A-Z]+)\s+(.*)$/.exec(line).slice(1))
}

function build(steps) {
  const stages = new Map()
  let image
  for (const [name, text] of steps) {
    switch (name) {
      case 'FROM': {
        const [base, stage] = text.split(/\s+AS\s+/)
        const root = join(place, stage)
        image = { workdir: '/', env: {}, user: 'root', ...stages.get(base), root }
        image.env = { ...image.env }
        if (stages.has(base)) cpSync(stages.get(base).root, root, COPY)
        else if (/^node:24(\.\d+)*-/.test(base)) mkdirSync(root)
        else throw new Error(`${base} is not an image of Node 24`)
        stages.set(stage, image)
        break
      }
      case 'WORKDIR':
        image.workdir = text
        mkdirSync(join(image.root, text), { recursive: true })
        break
      case 'ENV': {
        const [variable, value] = text.split('=')
        image.env[variable] = value
        break
      }
      case 'COPY':
        copy(image, text.split(/\s+/), stages)
        break
      case 'RUN':
        run(image, text)
        break
      case 'ENTRYPOINT':
      case 'CMD':
        image[name] = JSON.parse(text)
        break
      case 'HEALTHCHECK':
        image.HEALTHCHECK = JSON.parse(text.slice(text.indexOf('CMD') + 3))
        break
      case 'USER':
        image.user = text
        break
      case 'STOPSIGNAL':
        image.stopSignal = text
        break
      case 'VOLUME':
      case 'EXPOSE':
        break
      default:
        throw new Error(`no idea how to replay ${name}`)
    }
  }
  return stages
}

function copy(image, words, stages) {
  const from = /^--from=(.*)$/.exec(words[0])?.[1]
  const paths = from === undefined ? words : words.slice(1)
  const sources = paths.slice(0, -1)
  const target = paths.at(-1)
  for (const source of sources) {
    const path = from === undefined ? inContext(source) : join(stages.get(from).root, source)
    const into = target.endsWith('/') ? join(target, basename(source)) : target
    cpSync(path, join(image.root, image.workdir, into), COPY)
  }
}

/** A path of the build context, if .dockerignore lets it through. */
function inContext(source) {
  const kept = readFileSync(join(CONTEXT, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1))
  if (!kept.some((path) => source === path || source.startsWith(`${path}/`)))
    throw new Error(`.dockerignore hides ${source}`)
  return join(CONTEXT, source)
}

/** Absolute paths of the image as they are here. */
function moved({ root }, text) {
  return text.replace(/(^|[\s'"=])(\/(?:opt|usr|var)\/)/g, `$1${root}$2`)
}

function moveAll(image) {
  return Object.fromEntries(
    Object.entries(image.env).map(([variable, value]) => [variable, moved(image, value)]),
  )
}

function run(image, text) {
  console.log(`RUN ${text}`)
  // There is no user called node here.
  const command = `chown() { :; }; ${moved(image, text)}`
  const { status } = spawnSync('sh', ['-ec', command], {
    cwd: join(image.root, image.workdir),
    env: { ...environment, ...image.env },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (status !== 0) throw new Error(`RUN ${text}: exit ${status}`)
}

async function tryOut(image, made) {
  const port = String(await freePort())
  const [, ...words] = [...image.ENTRYPOINT, ...image.CMD].map((word) => moved(image, word))
  const child = spawn(node, [...words, '--port', port], {
    cwd: resolve(image.root, `.${image.workdir}`),
    env: { ...environment, ...moveAll(image) },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const exited = once(child, 'exit')
  try {
    const cairn = join(image.root, 'usr/local/bin/cairn')
    if (spawnSync(cairn, ['--version'], { env: environment }).status !== 0)
      throw new Error('cairn is not a command of the image')
    await healthy(image.HEALTHCHECK.map((word) => word.replace(/(?<=:)[67]962/, port)))
    for (const file of made) {
      if (!existsSync(join(image.root, 'var/lib/cairn', file)))
        throw new Error(`${file} is not on the volume`)
    }
  } finally {
    child.kill(image.stopSignal)
  }
  const [code] = await exited
  if (code !== 0) throw new Error(`stopping gave exit ${code}`)
}

async function healthy([, ...words]) {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (spawnSync(node, words, { stdio: 'ignore' }).status === 0) return
    await new Promise((done) => setTimeout(done, 100))
  }
  throw new Error('the health check never held')
}

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => done(port))
    })
  })
}
