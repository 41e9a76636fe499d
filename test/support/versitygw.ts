/** A versitygw on files in a temporary directory, with versions and Object Lock. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './cairn-process.ts'
import type { S3Backend } from './s3.ts'
import { runGuarded, untilAnswers, VERSITYGW_PROGRAM } from './s3-programs.ts'

const run = promisify(execFile)
const ROOT = { accessKey: 'cairn-root', secretKey: 'cairn-root-secret' }

export async function startVersitygw(): Promise<S3Backend> {
  const place = await mkdtemp(join(tmpdir(), 'cairn-versitygw-'))
  const [buckets, versions, users] = ['buckets', 'versions', 'users'].map((name) =>
    join(place, name),
  )
  for (const folder of [buckets, versions, users]) await mkdir(folder!)
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const flags = ['--access', ROOT.accessKey, '--secret', ROOT.secretKey]
  const server = runGuarded(VERSITYGW_PROGRAM, [
    ...['--port', `127.0.0.1:${port}`, ...flags, '--quiet', '--keep-alive'],
    ...[
      '--iam-dir',
      users!,
      '--iam-cache-disable',
      'posix',
      '--versioning-dir',
      versions!,
      buckets!,
    ],
  ])
  try {
    await untilAnswers(endpoint, server, 20_000)
  } catch (error) {
    await server.stop()
    throw error
  }
  const admin = async (...args: string[]): Promise<void> => {
    await run(VERSITYGW_PROGRAM, ['admin', ...flags, '--endpoint-url', endpoint, ...args])
  }
  return {
    port,
    ...ROOT,
    storageClass: undefined,
    async newKey({ accessKey, secretKey }, isOther) {
      await admin('create-user', '-a', accessKey, '-s', secretKey, '-r', isOther ? 'user' : 'admin')
      return accessKey
    },
    async removeKey(accessKey) {
      await admin('delete-user', '-a', accessKey)
    },
    async stop() {
      await server.stop()
      await rm(place, { recursive: true })
    },
  }
}
