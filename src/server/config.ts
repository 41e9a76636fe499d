/** The configuration of the log server, of the settings in `settings.ts`. */
import { messageOf, usage } from '../errors.ts'
import { NAME } from '../formats/record-values.ts'
import { prefixOf } from '../http/app.ts'
import { type SinkConfig, sinksOf } from './gossip-settings.ts'
import { type OidcConfig, oidcOf } from './oidc-settings.ts'
import { passphraseFrom } from './passphrase.ts'
import { type ConfigSources, readSettings, type SettingValues } from './read-settings.ts'
import { SERVER_SETTINGS } from './settings.ts'
import { type SharedStorageConfig, sharedStorageOf } from './storage-settings.ts'
import { type TenantConfig, tenantsOf } from './tenants.ts'

const DEFAULT_TENANT = 'default'

/** What each log has of its own. */
export interface LogConfig {
  /** Absolute path of the data directory. */
  readonly data: string
  readonly origin?: string
  readonly open: boolean
  /** Whether reading entries needs a token. */
  readonly privateEntries: boolean
  /** Path of the signer's state; without it, one in the data directory. */
  readonly signerState?: string
  readonly adoptHead: boolean
  readonly newVault: boolean
  /** The tenant of whoever has none of their own. */
  readonly tenant: string
  /** Path of the vault's master key; without it, one in the data directory. */
  readonly vaultKey?: string
  /** Path of the table that says how long payloads are kept. */
  readonly retentionTable?: string
  /** That of tenants that name none. */
  readonly jurisdiction?: string
  /** Path of the rules for secrets that must not be recorded. */
  readonly secretRules?: string
  /** Path of the policy that names its witnesses. */
  readonly policy?: string
  /** The issuer whose bearer tokens are taken beside the log's own. */
  readonly oidc?: OidcConfig
  /** What is known of tenants, by their names. */
  readonly tenants?: ReadonlyMap<string, TenantConfig>
  /** The storage that it shares with other servers; without it all is in the data directory. */
  readonly shared?: SharedStorageConfig
  /** To whom its published heads are sent. */
  readonly gossip?: readonly SinkConfig[]
}

/** All that `serve` needs to know. */
export interface Config extends LogConfig {
  readonly host: string
  readonly port: number
  readonly passphrase?: string
  readonly dedup: boolean
  readonly queueLeaves: number
  readonly queueBytes: number
  readonly publishIntervalMs: number
  /** Of logs in a database. */
  readonly integrateIntervalMs: number
  readonly leaseMs: number
  readonly archiveIntervalMs: number
  readonly mapIntervalMs: number
  readonly renewIntervalMs: number
  readonly witnessIntervalMs: number
  readonly witnessTimeoutMs: number
  readonly witnessDeadlineMs: number
  readonly freeSpaceFloor: number
  readonly requestTimeoutMs: number
  /** Logs below `/logs/<name>`. */
  readonly logs: ReadonlyMap<string, LogConfig>
}

/**
 * Brings the sources together.
 * @throws USAGE on a setting that is unknown, of the wrong type or missing; the message says where it stands
 */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const values = await readSettings(SERVER_SETTINGS, sources)
  const passphrase = await passphraseFrom(
    sources.env,
    values['passphrase-file'] as string | undefined,
  )
  const logs = Object.entries((values.logs ?? {}) as Record<string, SettingValues>)
  return {
    ...logConfig(values, '', 'data is missing; give the data directory with --data DIR'),
    host: values.host as string,
    port: values.port as number,
    ...(passphrase === undefined ? {} : { passphrase }),
    dedup: values.dedup as boolean,
    queueLeaves: values['queue-leaves'] as number,
    queueBytes: values['queue-bytes'] as number,
    publishIntervalMs: values['publish-interval'] as number,
    integrateIntervalMs: values['integrate-interval'] as number,
    leaseMs: values.lease as number,
    archiveIntervalMs: values['archive-interval'] as number,
    mapIntervalMs: values['map-interval'] as number,
    renewIntervalMs: values['renew-interval'] as number,
    witnessIntervalMs: values['witness-interval'] as number,
    witnessTimeoutMs: values['witness-timeout'] as number,
    witnessDeadlineMs: values['witness-deadline'] as number,
    freeSpaceFloor: values['free-space-floor'] as number,
    requestTimeoutMs: values['request-timeout'] as number,
    logs: new Map(
      logs.map(([name, own]) => {
        checkLogName(name)
        return [name, logConfig(own, `logs.${name}.`, `data of the log "${name}" is missing`)]
      }),
    ),
  }
}

/** `prefix` is where the settings stand in a file. */
function logConfig(values: SettingValues, prefix: string, missing: string): LogConfig {
  const { data, origin, policy, 'signer-state': signerState, 'vault-key': vaultKey } = values
  const { jurisdiction, 'retention-table': retentionTable, 'secret-rules': secretRules } = values
  if (data === undefined) throw usage(missing)
  const oidc = oidcOf(values.oidc, `${prefix}oidc`)
  const tenants = tenantsOf(values.tenants, `${prefix}tenants`)
  const shared = sharedStorageOf(values, prefix)
  const gossip = sinksOf(values.gossip, `${prefix}gossip`)
  return {
    data: data as string,
    ...(origin === undefined ? {} : { origin: origin as string }),
    open: values.open === true,
    privateEntries: values['private-entries'] === true,
    ...(signerState === undefined ? {} : { signerState: signerState as string }),
    adoptHead: values['adopt-head'] === true,
    newVault: values['new-vault'] === true,
    tenant: tenantIn(values, prefix),
    ...(vaultKey === undefined ? {} : { vaultKey: vaultKey as string }),
    ...(jurisdiction === undefined ? {} : { jurisdiction: jurisdiction as string }),
    ...(retentionTable === undefined ? {} : { retentionTable: retentionTable as string }),
    ...(secretRules === undefined ? {} : { secretRules: secretRules as string }),
    ...(policy === undefined ? {} : { policy: policy as string }),
    ...(oidc && { oidc }),
    ...(tenants.size === 0 ? {} : { tenants }),
    ...(shared && { shared }),
    ...(gossip.length === 0 ? {} : { gossip }),
  }
}

function tenantIn({ tenant = DEFAULT_TENANT }: SettingValues, prefix: string): string {
  if (typeof tenant === 'string' && NAME.holds(tenant)) return tenant
  throw usage(`${prefix}tenant must be ${NAME.expected}, not ${JSON.stringify(tenant)}`)
}

function checkLogName(name: string): void {
  try {
    if (name !== '') prefixOf(name)
    else throw new RangeError('it is empty')
  } catch (cause) {
    throw usage(`"logs" has an unusable name: ${messageOf(cause)}`, cause)
  }
}
