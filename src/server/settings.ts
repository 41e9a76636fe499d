/** Every setting of the log server: its name, its type, its default and what it does. */
import type { TObject, TProperties } from 'typebox'
import { Type } from '../typebox.ts'
import { GossipSettings } from './gossip-settings.ts'
import { OidcSettings } from './oidc-settings.ts'
import {
  countSetting,
  millisecondsSetting,
  pathSetting,
  portSetting,
  type Setting,
  type SettingsTable,
  settingsTable,
  switchSetting,
  textSetting,
} from './setting.ts'
import { STORAGE_SETTINGS } from './storage-settings.ts'
import { TenantSettings } from './tenants.ts'

/** What each log has of its own. */
const OF_A_LOG: TProperties = {
  data: pathSetting('directory of the log; made at the first start'),
  origin: textSetting(
    'name of the log and of its keys, such as log.example.org/audit; fixed at the first start, when one is made up unless given',
  ),
  open: switchSetting(false, 'take submissions without a token'),
  'private-entries': switchSetting(
    false,
    'show entries only to those who have a token; hashes, proofs and checkpoints stay public',
  ),
  'signer-state': pathSetting(
    'file that remembers the last head signed; keep it away from the data and out of its backups (default: a file in <data>.signer, beside the data directory)',
  ),
  'adopt-head': switchSetting(
    false,
    'start although the signer state is missing, once, when this is known to be the newest copy of the data',
  ),
  tenant: textSetting('tenant of whoever has a token of no tenant, or none at all', {
    default: 'default',
  }),
  'vault-key': pathSetting(
    'file of the key that the payloads of records are encrypted with; made at the first start, and best kept away from the data and its backups (default: <data>/keys/vault.key)',
  ),
  'new-vault': switchSetting(
    false,
    'begin a new vault, once, when the one that the log had is gone for good',
  ),
  jurisdiction: textSetting(
    'jurisdiction of tenants that name none: decides how long payloads are kept; without one, those of records that name no retention class are kept for ever',
  ),
  'retention-table': pathSetting(
    'file that says how long payloads are kept, in YAML or JSON (default: the table in the documentation)',
  ),
  'secret-rules': pathSetting(
    'file that says which secrets are refused or masked, in YAML or JSON; it adds to the rules of this program',
  ),
  policy: pathSetting(
    'file that names the witnesses to ask, and whose cosignatures a published head needs (tlog-policy)',
  ),
  ...STORAGE_SETTINGS,
}

/** What each log has of its own that only a file can say: members with parts. */
const OF_A_LOG_IN_FILES: TProperties = {
  gossip: GossipSettings,
  oidc: OidcSettings,
  tenants: TenantSettings,
}

const OF_THE_SERVER: TProperties = {
  ...OF_A_LOG,
  port: portSetting(6962),
  host: textSetting('address to listen on', { default: '127.0.0.1' }),
  'passphrase-file': pathSetting(
    'file whose first line is the passphrase of the keys; CAIRN_PASSPHRASE may hold it instead',
  ),
  dedup: switchSetting(true, 'give the same leaf its first index again'),
  'queue-leaves': countSetting(
    20_000,
    'leaves that may wait for a commit before submissions are refused',
  ),
  'queue-bytes': countSetting(
    67_108_864,
    'bytes that may wait for a commit before submissions are refused',
  ),
  'publish-interval': millisecondsSetting(250, 'least milliseconds between two published heads'),
  'integrate-interval': millisecondsSetting(
    20,
    'least milliseconds between two integrations of a log in a database',
  ),
  lease: millisecondsSetting(
    3_000,
    'milliseconds after which another server leads a log in a database when the leader is silent',
  ),
  'archive-interval': millisecondsSetting(
    1_000,
    'least milliseconds between two checkpoints that are archived to the bucket',
  ),
  'map-interval': millisecondsSetting(
    300_000,
    'milliseconds after which the log commits to its map of records, when there are new ones',
  ),
  'renew-interval': millisecondsSetting(600_000, 'milliseconds after which an idle log signs anew'),
  'witness-interval': millisecondsSetting(
    25,
    'least milliseconds between two published heads while a submission waits for the witnesses',
  ),
  'witness-timeout': millisecondsSetting(5_000, 'milliseconds that a witness has to answer'),
  'witness-deadline': millisecondsSetting(
    10_000,
    'milliseconds that a submission with wait=witnessed is held at the most',
  ),
  'free-space-floor': countSetting(
    67_108_864,
    'bytes of free disk below which submissions are refused',
  ),
  'request-timeout': millisecondsSetting(
    60_000,
    'milliseconds in which a request has to arrive whole',
  ),
}

/** Of a log other than the one at `/`. */
const LogSettings: TObject = Type.Object({ ...OF_A_LOG, ...OF_A_LOG_IN_FILES })

export const SERVER_SETTINGS: SettingsTable = settingsTable(OF_THE_SERVER, {
  ...OF_A_LOG_IN_FILES,
  logs: Type.Optional(
    Type.Record(Type.String(), LogSettings, {
      description: 'further logs by name, each with settings of its own; served below /logs/<name>',
    }),
  ),
})

export const SETTINGS: readonly Setting[] = SERVER_SETTINGS.settings
