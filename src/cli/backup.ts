/** `cairn backup`: everything of a log in one file, while it is served or not. */
import { readFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { fetchBackup } from '../client/fetch-backup.ts'
import { CairnError, usage } from '../errors.ts'
import { type BackupPart, formatBackup, parseBackup } from '../formats/backup.ts'
import { parseSavedLog } from '../formats/backup-log.ts'
import { backupParts } from '../server/backup.ts'
import { writeBackupFile } from '../server/backup-file.ts'
import { openBackupSource } from '../server/backup-stopped.ts'
import type { LogPlace } from '../server/log-storage.ts'
import { keyFilesIn } from '../server/moved-log.ts'
import { readPolicyFile } from '../server/witnesses.ts'
import { interruptible, note, printJson, terminal, withCommonHelp } from './command.ts'
import { readToken } from './connect.ts'
import { placeFlags, placeOf, withPlace } from './place-flags.ts'
import { startProgress } from './progress.ts'
import { byteCount, plural } from './style.ts'

interface BackupFlags {
  readonly data?: string
  readonly url?: string
  readonly token?: string
  readonly tokenFile?: string
  readonly policy?: string
  readonly withKeys?: boolean
  readonly out: string
  readonly json?: boolean
}

export function configure(command: Command): void {
  command
    .description(
      'Save a log to one file: every entry up to one signed head, the payloads of its records as they are ' +
        'encrypted, tokens, kept heads. With --url from a running server, which goes on taking entries. ' +
        'Private keys are not saved unless --with-keys says so.',
    )
    .option('--url <url>', 'address of the running log')
    .option('--token <token>', 'token of an administrator of it (or CAIRN_TOKEN)')
    .option('--token-file <file>', 'file that holds the access token')
    .option('--data <folder>', 'data directory of a stopped log')
  withPlace(command, '')
  command
    .option(
      '--policy <file>',
      'policy that names the witnesses of a stopped log, to be asked at a restore',
    )
    .option(
      '--with-keys',
      'save the private keys as well, from --data: whoever has the file then has the log',
    )
    .requiredOption('--out <file>', 'file to write')
    .action((flags: BackupFlags) => backup(flags))
  withCommonHelp(command, [
    'cairn backup --url https://log.example.com --token-file admin.token --out log.backup',
    'cairn backup --data ./cairn-data --out log.backup',
    'cairn backup --data ./cairn-data --database postgres://cairn@db/cairn --out log.backup',
    'cairn backup --config cairn.yaml --log finance --out finance.backup',
  ])
}

interface Saved {
  readonly size: number
  readonly entries: number
}

async function backup(flags: BackupFlags): Promise<void> {
  const quiet = flags.json === true
  const interrupt = interruptible()
  const { signal } = interrupt
  const bar = startProgress({ label: 'saving', unit: 'bytes', quiet })
  const keys = await keysOf(flags)
  let entries = 0
  try {
    const bytes = await writeBackupFile(
      flags.out,
      counted(
        formatBackup(
          withKeys(
            watched(await partsOf(flags, signal), (size) => (entries = size)),
            keys,
          ),
          Math.floor(Date.now() / 1000),
        ),
        (done) => bar.update(done),
        signal,
      ),
    )
    bar.clear()
    report({ size: bytes, entries }, flags, keys)
  } finally {
    bar.clear()
    interrupt.done()
  }
}

/** Files of private keys that are to be saved. @throws USAGE when there are none */
async function keysOf(flags: BackupFlags): Promise<readonly string[]> {
  if (flags.withKeys !== true) return []
  const place = placeFlags({ ...flags }, '', flags.data)
  const data = place.config === undefined ? flags.data : (await placeOf(place, '')).data
  if (data === undefined) {
    throw usage('a server does not give its private keys away: say with --data where they are')
  }
  const files = keyFilesIn(join(resolve(data), 'keys'))
  if (files.length === 0) throw usage(`there are no keys of a log in ${join(data, 'keys')}`)
  return files
}

async function partsOf(
  flags: BackupFlags,
  signal: AbortSignal,
): Promise<AsyncIterable<BackupPart>> {
  const { url, data, policy, withKeys: keys } = flags
  const place = placeFlags({ ...flags }, '', data)
  if (url === undefined) {
    if ((flags.token ?? flags.tokenFile) !== undefined) throw usage('a token goes with --url')
    return partsOfStopped(await placeOf(place, ''), policy, signal)
  }
  if (data !== undefined && keys !== true) {
    throw usage(
      'give --url for a running log or --data for a stopped one; both only with --with-keys',
    )
  }
  const { config, log, database, schema, passwordFile } = place
  if ((config ?? log ?? database ?? schema ?? passwordFile ?? policy) !== undefined) {
    throw usage('--url says where the log is; leave out what says where a stopped one is')
  }
  return partsFromServer(flags, signal)
}

/** The server is asked once the file is there to be written: an answer that nobody reads would keep the process alive. */
async function* partsFromServer(
  { url, token, tokenFile }: BackupFlags,
  signal: AbortSignal,
): AsyncGenerator<BackupPart> {
  if (token !== undefined && tokenFile !== undefined)
    throw usage('give --token or --token-file, not both')
  const bearer =
    tokenFile === undefined ? (token ?? process.env.CAIRN_TOKEN) : await readToken(tokenFile)
  yield* parseBackup(await fetchBackup({ url: url!, token: bearer, signal }))
}

async function* partsOfStopped(
  place: LogPlace,
  given: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<BackupPart> {
  const policy = given ?? place.policy
  const file = policy === undefined ? undefined : await readPolicyFile(policy)
  const source = await openBackupSource(place, file?.bytes).catch((error: unknown) => {
    if (!(error instanceof CairnError) || error.code !== 'LOCKED') throw error
    throw new CairnError(
      'LOCKED',
      `${error.message}; to save a log while it is served, give --url`,
      {
        cause: error,
      },
    )
  })
  try {
    yield* backupParts(source, signal)
  } finally {
    await source.close()
  }
}

/** Looks at what goes by. */
async function* watched(
  parts: AsyncIterable<BackupPart>,
  onSize: (entries: number) => void,
): AsyncGenerator<BackupPart> {
  for await (const part of parts) {
    if (part.name === 'log.json') onSize(parseSavedLog(part.bytes).head?.size ?? 0)
    yield part
  }
}

/** Private keys come last. */
async function* withKeys(
  parts: AsyncIterable<BackupPart>,
  keys: readonly string[],
): AsyncGenerator<BackupPart> {
  yield* parts
  for (const file of keys) yield { name: `keys/${basename(file)}`, bytes: await readFile(file) }
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of chunks) {
    signal.throwIfAborted()
    bytes += chunk.length
    onBytes(bytes)
    yield chunk
  }
}

function report(
  { size, entries }: Saved,
  { out, json }: BackupFlags,
  keys: readonly string[],
): void {
  if (keys.length > 0) {
    note(
      'WARNING: the file holds the private keys of the log. Whoever reads it can sign as the log, and read every payload.',
    )
  }
  if (json === true) {
    printJson({ file: out, bytes: size, entries, keys: keys.map((file) => basename(file)) })
    return
  }
  const { style, line } = terminal()
  line(
    `${style.green('✓')} ${style.bold('saved')}: ${plural(entries, 'entry', 'entries')}, ${byteCount(size)} in ${out}`,
  )
  if (keys.length === 0)
    line('  without the private keys: keep those apart, a restored log needs them')
}
