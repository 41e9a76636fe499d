/** What a log is told about its tenants: where they are, and with which keys their submitters sign. */
import type { TSchema } from 'typebox'
import { CairnError, messageOf, usage } from '../errors.ts'
import { NAME } from '../formats/record-values.ts'
import { NO_JURISDICTION } from '../formats/retention.ts'
import { parseVkey, type VerifierKey } from '../formats/vkey.ts'
import type { SubmitterKey } from '../records/read-submissions.ts'
import { Type } from '../typebox.ts'
import type { SettingValues } from './read-settings.ts'
import { looksLikeVkey, readVkeyFile } from './vkey-file.ts'

export interface TenantConfig {
  readonly jurisdiction?: string
  /** vkeys, and absolute paths of files of vkeys. */
  readonly submitterKeys: readonly string[]
}

export const TenantSettings: TSchema = Type.Optional(
  Type.Record(
    Type.String(),
    Type.Object({
      jurisdiction: Type.Optional(
        Type.String({ minLength: 1, description: 'one of those of the retention table' }),
      ),
      'submitter-keys': Type.Optional(
        Type.Array(Type.String({ minLength: 1, kind: 'path or vkey' }), {
          description: 'Ed25519 vkeys, or files of them, whose signatures on records are checked',
        }),
      ),
    }),
    { description: 'what is known of tenants, by their names' },
  ),
)

/** The tenants of a log; `place` is the name of the whole setting. @throws USAGE */
export function tenantsOf(settings: unknown, place: string): ReadonlyMap<string, TenantConfig> {
  const tenants = Object.entries((settings ?? {}) as Record<string, SettingValues>)
  return new Map(
    tenants.map(([name, { jurisdiction, 'submitter-keys': keys = [] }]) => {
      if (!NAME.holds(name)) {
        throw usage(
          `"${place}" has an unusable name: ${JSON.stringify(name)} is not ${NAME.expected}`,
        )
      }
      const submitterKeys = keys as string[]
      const where = jurisdiction === undefined ? {} : { jurisdiction: jurisdiction as string }
      return [name, { submitterKeys, ...where }]
    }),
  )
}

export interface Tenants {
  /** The public key of a submitter; its key id is the name of its vkey. */
  readonly submitterKey: SubmitterKey
  /** One of the retention table's, or undefined where nobody has said. */
  jurisdictionOf(tenant: string): string | undefined
}

/**
 * Reads what tenants name. `jurisdictions` are those of the retention table, `fallback` that of tenants that name none.
 * @throws USAGE when a key or a file of keys cannot be used, or a jurisdiction is none of them
 */
export async function openTenants(
  config: ReadonlyMap<string, TenantConfig>,
  jurisdictions: ReadonlySet<string>,
  fallback?: string,
): Promise<Tenants> {
  const known = [...jurisdictions].join(', ')
  if (fallback !== undefined && !jurisdictions.has(fallback)) {
    throw usage(`the jurisdiction "${fallback}" is none of the retention table, which has ${known}`)
  }
  const keys = new Map<string, ReadonlyMap<string, Uint8Array>>()
  for (const [name, { jurisdiction, submitterKeys }] of config) {
    if (jurisdiction !== undefined && !jurisdictions.has(jurisdiction)) {
      throw usage(
        `the jurisdiction of the tenant ${name} is "${jurisdiction}"; those of the retention table are ${known}`,
      )
    }
    keys.set(name, await submittersOf(name, submitterKeys))
  }
  if (!jurisdictions.has(NO_JURISDICTION)) {
    throw usage(
      `the retention table needs the jurisdiction "${NO_JURISDICTION}", that of tenants for which none is set`,
    )
  }
  return {
    submitterKey: async (tenant, keyId) => keys.get(tenant)?.get(keyId),
    jurisdictionOf: (tenant) => config.get(tenant)?.jurisdiction ?? fallback,
  }
}

async function submittersOf(
  tenant: string,
  texts: readonly string[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>()
  for (const { name, type, publicKey } of (await Promise.all(texts.map(keysIn(tenant)))).flat()) {
    if (type !== 'ed25519') {
      throw usage(
        `the key ${name} of the tenant ${tenant} is of type ${type}; submitters sign with ed25519`,
      )
    }
    if (found.has(name)) {
      throw usage(
        `the tenant ${tenant} has two keys called ${name}; a signature says by this name which one made it`,
      )
    }
    found.set(name, publicKey)
  }
  return found
}

function keysIn(tenant: string): (text: string) => Promise<readonly VerifierKey[]> {
  return async (text) => {
    if (!looksLikeVkey(text)) {
      try {
        return await readVkeyFile(text)
      } catch (cause) {
        const what = cause instanceof CairnError ? messageOf(cause) : `${text}: ${messageOf(cause)}`
        throw usage(`cannot use the submitter keys of the tenant ${tenant}: ${what}`, cause)
      }
    }
    try {
      return [parseVkey(text)]
    } catch (cause) {
      throw usage(`a submitter key of the tenant ${tenant}: ${messageOf(cause)}`, cause)
    }
  }
}
