/** Whom a monitor watches: logs at their addresses, and the operators of witnesses. */
import { baseUrl } from '../client/request.ts'
import { CairnError } from '../errors.ts'
import type { Policy } from '../formats/policy.ts'
import { formatVkey, type VerifierKey } from '../formats/vkey.ts'

/** One log, wherever it is shown. */
export interface LogTarget {
  readonly origin: string
  /** The keys that sign for it; all are named by the origin. */
  readonly keys: readonly VerifierKey[]
  /** The addresses that show it, at least one. */
  readonly urls: readonly string[]
}

/** One operator of a witness, who may sign with several keys. */
export interface WitnessTarget {
  /** What the policy calls it: the name of its key, or what the names of its keys begin with. */
  readonly name: string
  readonly keys: readonly VerifierKey[]
  /** Where it shows what it has cosigned; without one its cosignatures are seen on the log's heads only. */
  readonly url?: string
}

export interface Targets {
  readonly logs: readonly LogTarget[]
  readonly witnesses: readonly WitnessTarget[]
  /** Whose quorum is demanded of each head that a log shows. */
  readonly policy?: Policy
}

export interface WatchedLog {
  readonly key: VerifierKey
  readonly url?: string
}

/**
 * Brings together what belongs together: keys and addresses of one origin, and keys of witnesses at one address.
 * @throws USAGE when an address is none of http or https, or a log has none
 */
export function targetsOf(watched: readonly WatchedLog[], policy?: Policy): Targets {
  const logs = new Map<string, { keys: VerifierKey[]; urls: string[] }>()
  for (const { key, url } of watched) {
    const log = logs.get(key.name) ?? { keys: [], urls: [] }
    logs.set(key.name, log)
    if (!log.keys.some((known) => formatVkey(known) === formatVkey(key))) log.keys.push(key)
    const address = url === undefined ? undefined : checkedAddress(url, `the log ${key.name}`)
    if (address !== undefined && !log.urls.includes(address)) log.urls.push(address)
  }
  for (const [origin, { urls }] of logs) {
    if (urls.length > 0) continue
    throw new CairnError(
      'USAGE',
      `there is no address for the log ${origin}: add one after its key in the policy`,
    )
  }
  return {
    logs: [...logs].map(([origin, { keys, urls }]) => ({ origin, keys, urls })),
    witnesses: policy === undefined ? [] : witnessesOf(policy),
    ...(policy && { policy }),
  }
}

function witnessesOf(policy: Policy): WitnessTarget[] {
  const operators = new Map<string, { names: string[]; keys: VerifierKey[]; url?: string }>()
  for (const { name, key, url } of policy.witnesses) {
    const address = url === undefined ? undefined : checkedAddress(url, `the witness ${name}`)
    const id = address ?? `name ${name}`
    const known = operators.get(id)
    if (known === undefined) {
      operators.set(id, { names: [name], keys: [key], ...(address && { url: address }) })
    } else {
      known.names.push(name)
      known.keys.push(key)
    }
  }
  const taken = new Set(policy.witnesses.map(({ name }) => name))
  return [...operators.values()].map(({ names, ...rest }) => {
    const common = commonName(names)
    const isFree = common !== undefined && (names.includes(common) || !taken.has(common))
    const name = isFree ? common : names[0]!
    taken.add(name)
    return { name, ...rest }
  })
}

/** `w.example` for `w.example/ed25519` and `w.example/ml-dsa-44`: what all names begin with, up to a separator. */
function commonName(names: readonly string[]): string | undefined {
  const [first = '', ...others] = names
  for (let end = first.length; end > 0; end--) {
    const start = first.slice(0, end)
    const isCommon = names.every((name) => name === start || /^[/.:_-]/.test(name.slice(end)))
    if (isCommon && others.every((name) => name.startsWith(start))) return start
  }
  return undefined
}

/** The address without slashes at its end, so that one place has one name. @throws USAGE */
function checkedAddress(text: string, whose: string): string {
  return baseUrl(text, whose).slice(0, -1)
}
