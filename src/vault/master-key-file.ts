/**
 * Master keys in files. One is the key itself, 32 random bytes (`head -c 32 /dev/urandom`); keep it away from the data
 * and its backups, for with it they are open. The other holds what makes the key out of a passphrase:
 *
 *     cairn-master-key/v1
 *     scrypt N=131072 r=8 p=1
 *     salt <base64 of 32 bytes>
 *     id <16 hexadecimal digits>
 *
 * The id tells a wrong passphrase at once. It does not help to guess one: any wrapped key would do for that.
 */
import { type BinaryLike, randomBytes, type ScryptOptions, scrypt } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { fromBase64, fromDecimal, fromUtf8, toBase64, utf8 } from '../bytes.ts'
import { CairnError, messageOf, usage } from '../errors.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import { localMasterKey, type MasterKey } from './master-key.ts'
import { KEY_SIZE } from './sealing.ts'

const PRIVATE_FILE = 0o600
const OTHERS_MAY_READ = 0o077
const MAX_FILE_SIZE = 1_024
const SALT_SIZE = 32

const FORM =
  /^cairn-master-key\/v1\nscrypt N=(\d+) r=(\d+) p=(\d+)\nsalt ([A-Za-z0-9+/=]+)\nid ([0-9a-f]{16})\n$/

/** What scrypt costs: 128·N·r bytes of memory, and p times as long. */
export interface ScryptCost {
  /** A power of two, 2 to 2^20. */
  readonly N: number
  /** 1 to 32. */
  readonly r: number
  /** 1 to 16. */
  readonly p: number
}

/** 128 MB and about half a second. */
const COST: ScryptCost = { N: 2 ** 17, r: 8, p: 1 }
const MAX_MEMORY = 2 ** 30

export interface OpenedMasterKey {
  readonly masterKey: MasterKey
  /** Whether users other than the owner may read the file. */
  readonly exposed: boolean
}

/** Makes a key and writes it durably to a file that must not be there yet. @throws USAGE, IO */
export async function createMasterKeyFile(file: string): Promise<MasterKey> {
  const secret = randomBytes(KEY_SIZE)
  await writeNew(file, secret)
  return localMasterKey(secret)
}

/** Reads a key from a file of 32 bytes. @throws USAGE when there is none, or it is something else; IO */
export async function openMasterKeyFile(file: string): Promise<OpenedMasterKey> {
  const { bytes, exposed } = await read(file)
  if (bytes.length !== KEY_SIZE) {
    throw usage(
      `${file} holds ${bytes.length} bytes, but a master key has ${KEY_SIZE}; give the file of the vault's master key`,
    )
  }
  return { masterKey: localMasterKey(bytes), exposed }
}

/** Makes a key out of a passphrase, and writes what it takes to make it again. @throws USAGE, IO */
export async function createPassphraseMasterKey(options: {
  readonly file: string
  readonly passphrase: string
  readonly cost?: ScryptCost
}): Promise<MasterKey> {
  const { file, passphrase, cost = COST } = options
  const salt = new Uint8Array(randomBytes(SALT_SIZE))
  const masterKey = localMasterKey(await derive(passphrase, salt, cost))
  await writeNew(
    file,
    utf8(
      'cairn-master-key/v1\n' +
        `scrypt N=${cost.N} r=${cost.r} p=${cost.p}\n` +
        `salt ${toBase64(salt)}\n` +
        `id ${masterKey.id}\n`,
    ),
  )
  return masterKey
}

/**
 * Makes the key out of its passphrase again.
 * @throws USAGE when the passphrase is wrong, or there is no such file
 * @throws CORRUPT when the file is damaged; IO
 */
export async function openPassphraseMasterKey(options: {
  readonly file: string
  readonly passphrase: string
}): Promise<OpenedMasterKey> {
  const { secret, exposed } = await passphraseSecret(options)
  return { masterKey: localMasterKey(secret), exposed }
}

/** As openPassphraseMasterKey(), the key itself: for what stores it in another form. */
export async function passphraseSecret(options: {
  readonly file: string
  readonly passphrase: string
}): Promise<{ readonly secret: Uint8Array; readonly exposed: boolean }> {
  const { file, passphrase } = options
  const { bytes, exposed } = await read(file)
  const { salt, cost, id } = parse(file, bytes)
  const secret = await derive(passphrase, salt, cost)
  if (localMasterKey(secret).id === id) return { secret, exposed }
  throw usage(`the passphrase is not the one of the master key in ${file}`)
}

const scryptKey = promisify<BinaryLike, BinaryLike, number, ScryptOptions, Buffer>(scrypt)

async function derive(passphrase: string, salt: Uint8Array, cost: ScryptCost): Promise<Uint8Array> {
  if (passphrase === '') throw usage('the passphrase of a master key must not be empty')
  checkCost(cost)
  return scryptKey(utf8(passphrase), salt, KEY_SIZE, { ...cost, maxmem: 2 * MAX_MEMORY })
}

/** @throws RangeError */
function checkCost({ N, r, p }: ScryptCost): void {
  const inRange = (value: number, from: number, to: number): boolean =>
    Number.isInteger(value) && value >= from && value <= to
  const isPower = Number.isInteger(Math.log2(N))
  if (!inRange(N, 2, 2 ** 20) || !isPower || !inRange(r, 1, 32) || !inRange(p, 1, 16)) {
    throw new RangeError('expected N a power of two from 2 to 2^20, r from 1 to 32, p from 1 to 16')
  }
  if (128 * N * r > MAX_MEMORY) throw new RangeError('expected scrypt to need 1 GiB at the most')
}

function parse(
  file: string,
  bytes: Uint8Array,
): { readonly salt: Uint8Array; readonly cost: ScryptCost; readonly id: string } {
  try {
    const [, N, r, p, salt, id] = FORM.exec(fromUtf8(bytes)) ?? []
    if (N === undefined || r === undefined || p === undefined)
      throw new Error('it is not of its form')
    const cost = { N: fromDecimal(N), r: fromDecimal(r), p: fromDecimal(p) }
    checkCost(cost)
    const saltBytes = fromBase64(salt!)
    if (saltBytes.length !== SALT_SIZE) throw new Error('its salt has another length')
    return { salt: saltBytes, cost, id: id! }
  } catch (cause) {
    throw new CairnError(
      'CORRUPT',
      `the master key file ${file} is damaged (${messageOf(cause)}); put its backup back`,
      { cause },
    )
  }
}

async function read(
  file: string,
): Promise<{ readonly bytes: Uint8Array; readonly exposed: boolean }> {
  try {
    const handle = await open(file, 'r')
    try {
      const { mode } = await handle.stat()
      const buffer = new Uint8Array(MAX_FILE_SIZE)
      const { bytesRead } = await handle.read(buffer, 0, MAX_FILE_SIZE)
      return { bytes: buffer.slice(0, bytesRead), exposed: (mode & OTHERS_MAY_READ) !== 0 }
    } finally {
      await handle.close()
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw usage(
        `there is no master key in ${file}; give the file of the vault's master key`,
        cause,
      )
    }
    throw new CairnError('IO', `cannot read the master key ${file}: ${messageOf(cause)}`, { cause })
  }
}

async function writeNew(file: string, bytes: Uint8Array): Promise<void> {
  const isThere = await stat(file).then(
    () => true,
    () => false,
  )
  // To write over a master key is to lose all that it protects.
  if (isThere) throw usage(`${file} exists already; name a new file for a new master key`)
  try {
    await durableWriteFile(file, bytes, PRIVATE_FILE)
  } catch (cause) {
    throw new CairnError('IO', `cannot write the master key to ${file}: ${messageOf(cause)}`, {
      cause,
    })
  }
}
