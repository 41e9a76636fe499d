/** A real log on a temporary directory, for tests. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatVkey } from '../../src/formats/vkey.ts'
import { type LocalKeys, localSigner } from '../../src/log/local-signer.ts'
import { type LogOptions, openLog } from '../../src/log/log.ts'
import type { LogService } from '../../src/log/service.ts'
import { openSignedState, type SignedState } from '../../src/log/signed-state.ts'
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

/** Opens the log at a place; `wrap` may stand between it and its store to inject faults. */
export async function openAt(
  place: TestLogPlace,
  options: Partial<LogOptions> = {},
  wrap: (store: LogStore) => LogStore = (store) => store,
  fault: (state: SignedState) => SignedState = (state) => state,
): Promise<LogService> {
  const signer = localSigner(place.keys)
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
