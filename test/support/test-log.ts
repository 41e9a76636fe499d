/** A real log on a temporary directory, for tests. */
import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mlDsaSigningKey, type SigningKey } from '../../src/formats/signing-key.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { type LocalKeys, localSigner } from '../../src/log/local-signer.ts'
import { type LogOptions, openLog } from '../../src/log/log.ts'
import type { LogService } from '../../src/log/service.ts'
import { openSignedState, type SignedState } from '../../src/log/signed-state.ts'
import type { LogSigner } from '../../src/log/signer.ts'
import { openLevelStore } from '../../src/storage/level.ts'
import type { LogStore } from '../../src/storage/port.ts'

export function newKeys(origin = 'test.example/log'): LocalKeys {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    origin,
    ed25519Seed: randomBytes(32),
    mlDsaSeed: randomBytes(32),
    treeHeadKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

export interface TestLogPlace {
  readonly directory: string
  readonly keys: LocalKeys
}

export async function newPlace(): Promise<TestLogPlace> {
  return { directory: await mkdtemp(join(tmpdir(), 'cairn-log-')), keys: newKeys() }
}

export function discard(place: TestLogPlace): Promise<void> {
  return rm(place.directory, { recursive: true, force: true })
}

interface Signing {
  readonly signer: LogSigner
  readonly mlDsa: SigningKey
  readonly treeHead: KeyObject
}

/** Made once for the keys of a place: a public key of ML-DSA-44 takes a third of the time of a signature. */
const made = new WeakMap<LocalKeys, Signing>()

function signingWith(keys: LocalKeys): Signing {
  const known = made.get(keys) ?? {
    signer: localSigner(keys),
    mlDsa: mlDsaSigningKey(keys.origin, keys.mlDsaSeed),
    treeHead: createPrivateKey(keys.treeHeadKey),
  }
  made.set(keys, known)
  return known
}

/**
 * The signer of these keys, except that published heads are signed on this thread: one of its own for each log would
 * take longer to start than most tests do. Servers in tests have theirs.
 */
export function signerOf(keys: LocalKeys): LogSigner {
  const { signer, mlDsa, treeHead: key } = signingWith(keys)
  return {
    ...signer,
    async signPublication(checkpoint, treeHead) {
      const signature = sign('sha256', treeHead, { key, dsaEncoding: 'der' })
      return { mlDsa: mlDsa.sign(checkpoint), treeHead: new Uint8Array(signature) }
    },
  }
}

/** Opens the log at a place; `wrap` may stand between it and its store to inject faults. */
export async function openAt(
  place: TestLogPlace,
  options: Partial<LogOptions> = {},
  wrap: (store: LogStore) => LogStore = (store) => store,
  fault: (state: SignedState) => SignedState = (state) => state,
): Promise<LogService> {
  const signer = signerOf(place.keys)
  const store = await openLevelStore(join(place.directory, 'store'))
  const state = join(place.directory, 'signed-head')
  const signedState = await openSignedState(state, formatVkey(signer.ed25519))
  try {
    return await openLog({
      publishIntervalMs: 20,
      ...options,
      store: wrap(store),
      signer,
      signedState: fault(signedState),
    })
  } catch (error) {
    await signedState.close()
    await store.close()
    throw error
  }
}
