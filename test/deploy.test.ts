/** The examples of a log on several servers: no engine runs them here, so they are read, and their commands are run. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { SETTINGS } from '../src/server/settings.ts'
import { cairn, type Served, served } from './cli/run.ts'
import { CLI } from './support/cairn-process.ts'
import { afterThisFile } from './support/endings.ts'
import { testDatabase } from './support/postgres.ts'
import { readText } from './support/sources.ts'

const run = promisify(execFile)

interface Service {
  readonly image?: string
  readonly build?: string
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly secrets?: readonly string[]
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: { readonly test: readonly string[] }
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
  readonly volumes: Readonly<Record<string, null>>
}

interface Mount {
  readonly name: string
  readonly mountPath: string
}

interface Container {
  readonly name: string
  readonly image: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly envFrom?: readonly { readonly configMapRef: { readonly name: string } }[]
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly readinessProbe?: { readonly httpGet: { readonly path: string; readonly port: string } }
  readonly volumeMounts: readonly Mount[]
}

interface PodSpec {
  readonly enableServiceLinks?: boolean
  readonly initContainers: readonly Container[]
  readonly containers: readonly Container[]
  readonly volumes: readonly {
    readonly name: string
    readonly secret: { readonly secretName: string }
  }[]
}

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly data?: Readonly<Record<string, string>>
  readonly spec: {
    readonly clusterIP?: string
    readonly selector?: unknown
    readonly serviceName?: string
    readonly ports?: readonly { readonly targetPort?: string; readonly port: number }[]
    readonly template: { readonly metadata: { readonly labels: object }; readonly spec: PodSpec }
    readonly volumeClaimTemplates: readonly { readonly metadata: { readonly name: string } }[]
  }
}

const compose = parse(readText('deploy/compose.yaml'), { merge: true }) as Compose
const manifests = parseAllDocuments(readText('deploy/kubernetes.yaml')).map((document) => {
  expect(document.errors).toEqual([])
  return document.toJS() as Manifest
})

const VARIABLES = new Set(SETTINGS.map(({ variable }) => variable))
const FLAGS = new Set(SETTINGS.map(({ name }) => `--${name}`))
/** What the command is called in the image. */
const ENTRYPOINT = /^ENTRYPOINT \["node", "\/opt\/cairn\/dist\/cli\/main.js"\]$/m

let place: string

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'cairn-deploy-'))
  afterThisFile(() => rm(place, { recursive: true, force: true }))
  await mkdir(join(place, 'bin'))
  await shim('cairn', `exec "${process.execPath}" "${CLI}" "$@"`)
})

/** A command that the scripts find, in place of one that is in an image. */
async function shim(name: string, text: string): Promise<void> {
  await writeFile(join(place, 'bin', name), `#!/bin/sh\n${text}\n`)
  await chmod(join(place, 'bin', name), 0o755)
}

/** Runs a script as a container would, whose folders are elsewhere. */
async function script(
  text: string,
  folders: Readonly<Record<string, string>>,
  { args = [] as readonly string[], env = {}, cwd = place } = {},
): Promise<string> {
  await run('sh', ['-n', '-c', text])
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('CAIRN_'))
  const { stdout } = await run('sh', ['-c', elsewhere(text, folders), ...args], {
    cwd,
    env: {
      ...Object.fromEntries(clean),
      ...env,
      PATH: `${join(place, 'bin')}:${process.env.PATH}`,
    },
  })
  return stdout
}

function elsewhere(text: string, folders: Readonly<Record<string, string>>): string {
  return Object.entries(folders).reduce((all, [from, to]) => all.replaceAll(from, to), text)
}

/** The commands in the comment that a file begins with. */
function commandsIn(path: string): string[] {
  const [comment = ''] = /^(#.*\n)+/.exec(readText(path)) ?? []
  return [...comment.matchAll(/^# {3}(.*)$/gm)].map(([, command]) => command!)
}

/** The index that a new leaf gets. */
async function added(log: Served): Promise<number> {
  const body = crypto.getRandomValues(new Uint8Array(8))
  const answer = await fetch(`${log.url}/add`, { method: 'POST', body })
  expect(answer.status).toBe(200)
  return Number(await answer.text())
}

async function ready({ url }: Served): Promise<void> {
  const answer = await fetch(`${url}/readyz`)
  expect([answer.status, await answer.text()]).toEqual([200, expect.anything()])
}

function expectSettings(environment: Readonly<Record<string, string>>): void {
  const given = Object.keys(environment).filter((name) => name.startsWith('CAIRN_'))
  expect(given.filter((name) => !VARIABLES.has(name))).toEqual([])
}

describe('deploy/compose.yaml', () => {
  const { services } = compose
  const servers = Object.keys(services).filter((name) => /^cairn-\d$/.test(name))

  it('has three servers, which name nothing that is not there', () => {
    expect(servers).toHaveLength(3)
    for (const [name, service] of Object.entries(services)) {
      expect(service.image ?? service.build, name).toBeDefined()
      expectSettings(service.environment ?? {})
      for (const secret of service.secrets ?? []) expect(compose.secrets).toHaveProperty([secret])
      for (const volume of service.volumes ?? []) {
        expect(compose.volumes).toHaveProperty([volume.split(':')[0]!])
      }
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        expect(services).toHaveProperty([other])
        if (condition === 'service_healthy') expect(services[other]!.healthcheck).toBeDefined()
        // One that ends and is not waited for would make `up --wait` fail.
        if (condition === 'service_completed_successfully') {
          expect(services[other]).not.toHaveProperty('restart')
        }
      }
    }
    const files = Object.values(services).flatMap(({ environment = {} }) =>
      Object.values(environment),
    )
    for (const file of files.filter((value) => value.startsWith('/run/secrets/'))) {
      expect(compose.secrets).toHaveProperty([file.slice('/run/secrets/'.length)])
    }
  })

  it('gives each server a port, a volume and an address of its own', () => {
    for (const own of [
      (name: string) => services[name]!.ports![0],
      (name: string) => services[name]!.volumes![0],
      (name: string) => services[name]!.environment!.CAIRN_ADVERTISE,
    ]) {
      expect(new Set(servers.map(own)).size).toBe(3)
    }
    for (const name of servers) {
      const { ports, environment, command } = services[name]!
      expect(environment!.CAIRN_ADVERTISE).toBe(`http://${name}:6962`)
      expect(ports![0]).toMatch(/:6962$/)
      const flags = command!.filter((word) => word.startsWith('--'))
      expect(flags.filter((flag) => !FLAGS.has(flag))).toEqual([])
    }
  })

  it('leads to a database and a bucket that are among the services', () => {
    const { CAIRN_DATABASE, CAIRN_S3_ENDPOINT, CAIRN_BUCKET } = services[servers[0]!]!.environment!
    const { hostname, username, pathname } = new URL(CAIRN_DATABASE!)
    expect(services[hostname]!.environment).toMatchObject({
      POSTGRES_USER: username,
      POSTGRES_DB: pathname.slice(1),
    })
    expect(services[hostname]!.healthcheck!.test[1]).toContain(
      `--username ${username} --dbname ${pathname.slice(1)}`,
    )
    const endpoint = new URL(CAIRN_S3_ENDPOINT!)
    expect(services).toHaveProperty([endpoint.hostname])
    // Where this program listens when it is not told.
    expect(endpoint.port).toBe('7070')
    const made = services.bucket!.entrypoint!.at(-1)!
    expect(made).toBe(`/objects/${new URL(CAIRN_BUCKET!).hostname}`)
    expect(services.bucket!.image).toBe(services.objects!.image)
  })

  it('runs the object storage that the tests run', () => {
    const tried = /VERSITYGW = '(.*)'/.exec(readText('test/support/s3-programs.ts'))![1]
    expect(services.objects!.image).toBe(`versity/versitygw:${tried}`)
  })

  it('starts a log: keys once, the same on all servers, which share tokens and leaves', async () => {
    expect(readText('Dockerfile')).toMatch(ENTRYPOINT)
    const commands = commandsIn('deploy/compose.yaml')
    const deploy = join(place, 'compose/deploy')
    await mkdir(deploy, { recursive: true })
    const [secrets, more, up, token] = commands
    expect(up).toMatch(/^CAIRN_ORIGIN=log.example.org\/audit docker compose up --detach --wait$/)
    await script(secrets!, {}, { cwd: join(deploy, '..') })
    await script(more!, {}, { cwd: deploy })
    expect((await readFile(join(deploy, 'secrets/database-password'), 'utf8')).trim()).toHaveLength(
      48,
    )

    const keys = services.keys!.entrypoint!
    const keysAt = join(place, 'compose/keys')
    const origin = 'log.example.org/audit'
    const make = (): Promise<string> =>
      script(plain(keys[2]!), { '/var/lib/cairn': keysAt }, { env: { CAIRN_ORIGIN: origin } })
    await make()
    const before = await readFile(join(keysAt, 'log/keys/log.key'), 'utf8')
    await make()
    expect(await readFile(join(keysAt, 'log/keys/log.key'), 'utf8')).toBe(before)

    const bucket = join(place, 'compose/bucket')
    await mkdir(bucket)
    const { url, schema } = await testDatabase()
    const database = { CAIRN_DATABASE: url, CAIRN_DATABASE_SCHEMA: schema }
    const started: Served[] = []
    for (const name of servers.slice(0, 2)) {
      const { entrypoint, command, environment } = services[name]!
      expect(entrypoint!.slice(0, 2)).toEqual(['sh', '-c'])
      expect(command!.slice(0, 3)).toEqual(['serve', '--data', '/var/lib/cairn/log'])
      const folders = { '/var/lib/cairn': join(place, 'compose', name), '/keys/': `${keysAt}/` }
      await mkdir(folders['/var/lib/cairn'])
      // Up to where it becomes the server, which is started apart.
      const prepare = plain(entrypoint![2]!).replace('exec cairn "$@"', 'echo "$@"')
      const said = await script(prepare, folders, { args: [...entrypoint!.slice(3), ...command!] })
      expect(said.trim()).toBe(command!.join(' '))
      started.push(
        await served(['--data', join(folders['/var/lib/cairn'], 'log'), '--open'], {
          env: {
            CAIRN_ADVERTISE: environment!.CAIRN_ADVERTISE!,
            ...database,
            CAIRN_BUCKET: `file://${bucket}`,
          },
        }),
      )
    }
    const [one, two] = started as [Served, Served]
    await Promise.all(started.map(ready))
    expect(await added(one)).toBe(0)
    expect(await added(two)).toBe(1)
    const made = tokenCommand(token!, /^docker compose exec cairn-1 sh -c '(.*)'$/)
    const env = { CAIRN_DATABASE: database.CAIRN_DATABASE }
    const printed = await script(withSchema(made, schema), {}, { env })
    expect(printed).toMatch(/cairn_\S+/)
    await Promise.all(started.map((server) => server.stop()))
  })

  it('gives the object storage its keys', async () => {
    await shim('versitygw', 'echo "$ROOT_ACCESS_KEY|$ROOT_SECRET_KEY|$@"')
    const file = join(place, 's3')
    await writeFile(file, '[default]\naws_access_key_id = one\naws_secret_access_key = two/+=\n')
    const text = plain(services.objects!.entrypoint![2]!)
    expect(await script(text, { '/run/secrets/s3': file })).toBe('one|two/+=|posix /objects\n')
  })
})

/** As the engine has it: a dollar is written as two. */
function plain(text: string): string {
  expect(text.replaceAll('$$', '')).not.toContain('$')
  return text.replaceAll('$$', '$')
}

/** What is run inside of a container to make a token. */
function tokenCommand(command: string, shape: RegExp): string {
  const [, inside] = shape.exec(command) ?? []
  expect(inside).toContain('--database-password-file "$CAIRN_DATABASE_PASSWORD_FILE"')
  return inside!
}

/** The test's database has its password in the URL, and more than one log. */
function withSchema(command: string, schema: string): string {
  return command.replace(/--database-password-file \S+/, `--database-schema ${schema}`)
}

describe('deploy/kubernetes.yaml', () => {
  const of = (kind: string): Manifest[] => manifests.filter((manifest) => manifest.kind === kind)
  const [stateful] = of('StatefulSet')
  const pod = stateful!.spec.template.spec
  const settings = of('ConfigMap')[0]!

  it('has kinds and versions that are known', () => {
    expect(manifests.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`)).toEqual([
      'v1 ConfigMap',
      'v1 Service',
      'v1 Service',
      'policy/v1 PodDisruptionBudget',
      'apps/v1 StatefulSet',
    ])
  })

  it('gives settings that there are, and files that are mounted', () => {
    expectSettings(settings.data!)
    const [container] = pod.containers
    expect(container!.envFrom).toEqual([{ configMapRef: { name: settings.metadata.name } }])
    const variables = container!.env!.map(({ name }) => name)
    expect(variables.filter((name) => name.startsWith('CAIRN_') && !VARIABLES.has(name))).toEqual(
      [],
    )
    const flags = container!.args!.filter((word) => word.startsWith('--'))
    expect(flags.filter((flag) => !FLAGS.has(flag))).toEqual([])
    const mounts = container!.volumeMounts.map(({ mountPath }) => `${mountPath}/`)
    const paths = [...Object.values(settings.data!), ...container!.args!]
    for (const path of paths.filter((text) => text.startsWith('/'))) {
      expect(
        mounts.some((mount) => path.startsWith(mount)),
        path,
      ).toBe(true)
    }
  })

  it('is told of no Service by variables, which would be settings', () => {
    const names = of('Service').filter(({ spec }) => spec.clusterIP !== 'None')
    expect(names.map(({ metadata }) => metadata.name)).toContain('cairn')
    expect(pod.enableServiceLinks).toBe(false)
  })

  it('names no volume, secret, port or pod that is not there', () => {
    const volumes = [
      ...pod.volumes.map(({ name }) => name),
      ...stateful!.spec.volumeClaimTemplates.map(({ metadata }) => metadata.name),
    ]
    for (const { volumeMounts, image } of [...pod.initContainers, ...pod.containers]) {
      expect(volumeMounts.filter(({ name }) => !volumes.includes(name))).toEqual([])
      expect(image).toMatch(/:\d+\.\d+\.\d+$/)
    }
    const created = commandsIn('deploy/kubernetes.yaml').flatMap(
      (command) => /create secret generic (\S+)/.exec(command)?.[1] ?? [],
    )
    expect(pod.volumes.map(({ secret }) => secret.secretName).sort()).toEqual(created.sort())
    const { labels } = stateful!.spec.template.metadata
    for (const { spec } of of('Service')) expect(spec.selector).toEqual(labels)
    expect(of('Service').map(({ metadata }) => metadata.name)).toContain(stateful!.spec.serviceName)
    const [container] = pod.containers
    const [port] = container!.ports!
    expect(container!.readinessProbe!.httpGet.port).toBe(port!.name)
    expect(of('Service')[0]!.spec.ports![0]!.targetPort).toBe(port!.name)
    const advertise = container!.env!.find(({ name }) => name === 'CAIRN_ADVERTISE')!
    expect(advertise.value).toBe(
      `http://$(POD).${stateful!.spec.serviceName}:${port!.containerPort}`,
    )
    expect(container!.env![0]!.name).toBe('POD')
  })

  it('starts a log with the keys that were made for it', async () => {
    const here = join(place, 'kubernetes')
    await mkdir(here)
    const commands = commandsIn('deploy/kubernetes.yaml')
    expect(commands[0]).toMatch(/^cairn key generate --data .\/log /)
    await script(commands[0]!, {}, { cwd: here })
    const secret = /--from-file=(\S+)/.exec(commands[1]!)![1]!
    expect(await readdir(join(here, secret))).toEqual(['log.key', 'vault.key'])

    const [, , prepare] = pod.initContainers[0]!.command!
    const folders = { '/var/lib/cairn': join(here, 'state'), '/run/cairn/keys': join(here, secret) }
    await mkdir(join(here, 'state'))
    await script(prepare!, folders)
    await script(prepare!, folders)
    const { url, schema } = await testDatabase()
    const env = { CAIRN_DATABASE: url }
    const data = join(here, 'state/log')
    const server = await served(['--data', data, '--open', '--database-schema', schema], { env })
    await ready(server)
    expect(await added(server)).toBe(0)
    const made = await cairn(['key', 'show', '--data', join(here, 'log')])
    expect(await readFile(join(data, 'log.vkey'), 'utf8')).toBe(made.stdout)
    const token = tokenCommand(commands.at(-1)!, /^kubectl exec cairn-0 -- sh -c '(.*)'$/)
    expect(await script(withSchema(token, schema), {}, { env })).toMatch(/cairn_\S+/)
    await server.stop()
  })
})
