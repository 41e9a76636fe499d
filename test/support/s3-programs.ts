/**
 * The S3 servers that tests run against: versitygw, built from its Go module, and Ceph's radosgw, unpacked from Debian's
 * packages without being installed. `node test/services.mjs prepare` puts them into TEST_TOOLS or ~/.cache/cairn-tests.
 */
import { execFile, type SpawnOptions, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export type S3Kind = 'versitygw' | 'ceph'

const run = promisify(execFile)

const VERSITYGW = 'v1.8.0'
/** Of Debian 12. */
const CEPH = '16.2'

const TOOLS = process.env.TEST_TOOLS ?? join(homedir(), '.cache', 'cairn-tests')
const versitygwFolder = join(TOOLS, `versitygw-${VERSITYGW}`)
const cephFolder = join(TOOLS, `ceph-${CEPH}`)

export const VERSITYGW_PROGRAM = join(versitygwFolder, 'versitygw')
export const CEPH_BIN = join(cephFolder, 'usr/bin')
export const CEPH_LIB = join(cephFolder, 'usr/lib/x86_64-linux-gnu')

/** Where the loader finds the libraries of what was not installed. */
export const CEPH_ENVIRONMENT = {
  LD_LIBRARY_PATH: [
    CEPH_LIB,
    join(CEPH_LIB, 'ceph'),
    join(cephFolder, 'lib/x86_64-linux-gnu'),
  ].join(':'),
}

export const S3_VERSIONS: Readonly<Record<S3Kind, string>> = {
  versitygw: `versitygw ${VERSITYGW}`,
  ceph: `Ceph radosgw ${CEPH} of Debian 12`,
}

export function isPrepared(kind: S3Kind): boolean {
  return existsSync(kind === 'ceph' ? join(CEPH_BIN, 'radosgw') : VERSITYGW_PROGRAM)
}

/** Fetches and builds what is missing; says what it does. @throws Error when it cannot be had here */
export async function prepareS3(kind: S3Kind, say: (line: string) => void): Promise<void> {
  if (isPrepared(kind)) return
  say(`${S3_VERSIONS[kind]}: preparing`)
  await mkdir(TOOLS, { recursive: true })
  const folder = await mkdtemp(join(TOOLS, 'unfinished-'))
  try {
    if (kind === 'versitygw') await buildVersitygw(folder)
    else await unpackCeph(folder)
    await rename(folder, kind === 'versitygw' ? versitygwFolder : cephFolder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function buildVersitygw(folder: string): Promise<void> {
  const program = `github.com/versity/versitygw/cmd/versitygw@${VERSITYGW}`
  await run('go', ['install', program], { env: { ...process.env, GOBIN: folder } })
}

/** What its packages ask for and its three servers do not need. */
const UNNEEDED =
  /^(python3|sudo|logrotate|smartmontools|parted|gdisk|hdparm|nvme|dmidecode|xfsprogs|cryptsetup|lvm2|dmeventd)/

async function unpackCeph(folder: string): Promise<void> {
  const wanted = ['ceph-mon', 'ceph-osd', 'radosgw', 'ceph-common']
  const simulate = ['install', '--no-install-recommends', '-s', ...wanted]
  if (!(await run('apt-cache', ['madison', 'radosgw'])).stdout.includes(CEPH)) {
    await run('apt-get', ['update'])
  }
  const { stdout } = await run('apt-get', simulate)
  const names = [...stdout.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!)
  const packages = names.filter((name) => !UNNEEDED.test(name))
  if (!stdout.includes(`Inst radosgw (${CEPH}`)) {
    throw new Error(`this system has no Ceph ${CEPH} to be had with apt-get`)
  }
  const debs = await mkdtemp(join(tmpdir(), 'cairn-debs-'))
  try {
    await run('apt-get', ['download', ...packages], { cwd: debs })
    for (const deb of await readdir(debs)) await run('dpkg', ['-x', join(debs, deb), folder])
  } finally {
    await rm(debs, { recursive: true })
  }
}

export interface Running {
  stop(): Promise<void>
  /** What it printed last. */
  output(): string
}

/** Runs a program that ends when this process does, however that ends: a shell waits for its pipe to close. */
export function runGuarded(
  program: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Running {
  const guard = '"$@" </dev/null & child=$!; cat >/dev/null; kill -9 $child 2>/dev/null; wait'
  const shell = spawn('sh', ['-c', guard, 'sh', program, ...args], {
    ...options,
    stdio: ['pipe', 'pipe', 'pipe'],
    // An interrupt in a terminal is for this process; the shell would leave its program behind.
    detached: true,
  })
  let output = ''
  const keep = (chunk: Buffer): void => {
    output = `${output}${chunk}`.slice(-4_000)
  }
  shell.stdout?.on('data', keep)
  shell.stderr?.on('data', keep)
  const ended = new Promise<void>((resolve) => {
    shell.once('close', () => resolve())
  })
  return {
    output: () => output,
    async stop() {
      shell.stdin?.end()
      await ended
    },
  }
}

/** Waits until an HTTP server answers with anything. @throws Error with what it printed when it does not in time */
export async function untilAnswers(url: string, program: Running, timeout: number): Promise<void> {
  const end = Date.now() + timeout
  for (;;) {
    const isUp = await fetch(url).then(
      async (response) => {
        await response.body?.cancel()
        return true
      },
      () => false,
    )
    if (isUp) return
    if (Date.now() > end) throw new Error(`${url} does not answer:\n${program.output()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
