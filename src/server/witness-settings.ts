/** Every setting of a witness: its name, its type, its default and what it does. */
import {
  listSetting,
  millisecondsSetting,
  pathSetting,
  portSetting,
  type SettingsTable,
  settingsTable,
  switchSetting,
  textSetting,
} from './setting.ts'
import { databaseSettings } from './storage-settings.ts'

/** The schema of a witness's database. */
export const DEFAULT_WITNESS_SCHEMA = 'cairn_witness'

export const WITNESS_SETTINGS: SettingsTable = settingsTable({
  data: pathSetting('directory of the witness; made at the first start'),
  ...databaseSettings(DEFAULT_WITNESS_SCHEMA),
  name: textSetting(
    'name of the witness and of its keys, such as witness.example.org; fixed at the first start, when one is made up unless given',
  ),
  log: listSetting(
    'log to watch: its vkey, or a file of vkeys such as log.vkey; more than once for more logs',
    { kind: 'path or vkey', placeholder: 'vkey' },
  ),
  port: portSetting(7962),
  host: textSetting('address to listen on', { default: '127.0.0.1' }),
  'public-url': textSetting(
    'address at which logs reach this witness, for the policy that it shows (default: where it listens)',
    { placeholder: 'url' },
  ),
  'ml-dsa': switchSetting(
    true,
    'make post-quantum cosignatures (ML-DSA-44) beside those of Ed25519',
  ),
  'sign-subtree': switchSetting(false, 'sign subtrees of what was cosigned (experimental)'),
  'rollback-guard': pathSetting(
    'file that remembers until when the witness has cosigned; keep it away from the data and out of its backups (default: a file in <data>.signer, beside the data directory)',
  ),
  'passphrase-file': pathSetting(
    'file whose first line is the passphrase of the keys; CAIRN_PASSPHRASE may hold it instead',
  ),
  'request-timeout': millisecondsSetting(
    15_000,
    'milliseconds in which a request has to arrive whole',
  ),
})
