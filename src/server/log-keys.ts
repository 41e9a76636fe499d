/** Which logs to watch, as people name them: vkeys, files of vkeys such as `log.vkey`, and published lists of logs. */
import { fromUtf8 } from '../bytes.ts'
import { messageOf, usage } from '../errors.ts'
import { isLogList, type ListedLog, parseLogList } from '../formats/log-list.ts'
import { LOG_KEY_TYPES } from '../formats/open-checkpoint.ts'
import { formatVkey, parseVkey, type VerifierKey } from '../formats/vkey.ts'
import { readFileUpTo, readStreamUpTo } from './bounded-file.ts'
import { inFile, looksLikeVkey, MAX_VKEY_FILE_SIZE, parseVkeyLines } from './vkey-file.ts'

export interface NamedLogs {
  /** The keys of each log, by origin. */
  readonly logs: ReadonlyMap<string, readonly VerifierKey[]>
  /** Logs of a list that this witness cannot watch. */
  readonly unusable: readonly UnusableLog[]
}

export interface UnusableLog {
  readonly origin: string
  readonly reason: string
}

/**
 * The keys of logs; `-` stands for standard input. All keys of one name belong to one log, whose origin that name is.
 * @throws USAGE when a value is neither a vkey nor a file of them or a list, or not the key of a log; `where` says in
 *   messages what the values are
 */
export async function readLogKeys(values: readonly string[], where: string): Promise<NamedLogs> {
  const logs = new Map<string, VerifierKey[]>()
  const unusable: UnusableLog[] = []
  const seen = new Set<string>()
  for (const value of values) {
    const named = await readValue(value).catch((cause: unknown) => {
      throw usage(`${where} ${reasonOf(value, cause)}`, cause)
    })
    unusable.push(...named.unusable)
    for (const key of named.keys) {
      const vkey = formatVkey(key)
      if (seen.has(vkey)) continue
      seen.add(vkey)
      const known = logs.get(key.name)
      if (known === undefined) logs.set(key.name, [key])
      else known.push(key)
    }
  }
  return { logs, unusable }
}

interface NamedKeys {
  readonly keys: readonly VerifierKey[]
  readonly unusable: readonly UnusableLog[]
}

async function readValue(value: string): Promise<NamedKeys> {
  if (looksLikeVkey(value)) return { keys: [logKey(parseVkey(value))], unusable: [] }
  const bytes =
    value === '-'
      ? await readStreamUpTo(process.stdin, MAX_VKEY_FILE_SIZE, 'standard input')
      : await readFileUpTo(value, MAX_VKEY_FILE_SIZE)
  try {
    const text = fromUtf8(bytes)
    if (isLogList(text)) return ofList(parseLogList(bytes))
    return { keys: parseVkeyLines(text).map(logKey), unusable: [] }
  } catch (error) {
    return inFile(value)(error)
  }
}

function reasonOf(value: string, cause: unknown): string {
  if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
    return `${value} is neither a vkey nor an existing file`
  }
  const message = messageOf(cause)
  return message.startsWith(`${value}: `) ? message : `${value}: ${message}`
}

function logKey(key: VerifierKey): VerifierKey {
  if (LOG_KEY_TYPES.includes(key.type)) return key
  throw usage(`${key.name} is a key of type ${key.type}; a log has ${LOG_KEY_TYPES.join(' or ')}`)
}

/** A public list may hold what is not for us; that is no reason to leave out the rest. */
function ofList(listed: readonly ListedLog[]): NamedKeys {
  const keys: VerifierKey[] = []
  const unusable: UnusableLog[] = []
  for (const { vkey, origin } of listed) {
    try {
      const key = logKey(parseVkey(vkey))
      if (key.name !== origin) throw usage(`its key is called ${key.name}, not as its origin is`)
      keys.push(key)
    } catch (error) {
      unusable.push({ origin, reason: messageOf(error) })
    }
  }
  return { keys, unusable }
}
