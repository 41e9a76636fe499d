/** Servers of one log on a real database, for tests: each has its own connections and its own signer's state. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatVkey } from '../../src/formats/vkey.ts'
import type { LocalKeys } from '../../src/log/local-signer.ts'
import { openSharedLog, type SharedLog, type SharedLogOptions } from '../../src/log/shared-log.ts'
import { openSignedState, type SignedState } from '../../src/log/signed-state.ts'
import type { ObjectStore } from '../../src/storage/object-port.ts'
import { openPostgresLogStore } from '../../src/storage/postgres.ts'
import { openPool } from '../../src/storage/postgres-pool.ts'
import { migrateSchema } from '../../src/storage/postgres-schema.ts'
import type { LeaderStore, SharedLogStore } from '../../src/storage/shared-port.ts'
import { type TestDatabase, testDatabase, withClient } from './postgres.ts'
import { newKeys, signerOf } from './test-log.ts'

export interface SharedPlace {
  /** Of the signers' states. */
  readonly directory: string
  readonly keys: LocalKeys
  readonly database: TestDatabase
  /** Where its archive is, if it has one. */
  readonly objects?: ObjectStore
}

/** A place with the tables made. */
export async function newSharedPlace(database?: TestDatabase): Promise<SharedPlace> {
  const place = {
    directory: await mkdtemp(join(tmpdir(), 'cairn-shared-')),
    keys: newKeys(),
    database: database ?? (await testDatabase()),
  }
  const pool = openPool(place.database)
  try {
    await migrateSchema(pool)
  } finally {
    await pool.close()
  }
  return place
}

export function discardShared({ directory }: SharedPlace): Promise<void> {
  return rm(directory, { recursive: true, force: true })
}

/** A store of a place, that closes its own connections. */
export async function openStoreAt({ database, objects }: SharedPlace): Promise<SharedLogStore> {
  const pool = openPool(database)
  try {
    const store = await openPostgresLogStore({ pool, archive: objects })
    const close = async (): Promise<void> => {
      await store.close()
      await pool.close()
    }
    return new Proxy(store, {
      get(target, name) {
        if (name === 'close') return close
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  } catch (error) {
    await pool.close()
    throw error
  }
}

/** Opens the log on the server of a name; `wrap` may stand between it and its store. */
export async function openServer(
  place: SharedPlace,
  name: string,
  options: Partial<SharedLogOptions> = {},
  wrap: (store: SharedLogStore) => SharedLogStore = (store) => store,
  fault: (state: SignedState) => SignedState = (state) => state,
): Promise<SharedLog> {
  const store = await openStoreAt(place)
  const signer = signerOf(place.keys)
  const state = join(place.directory, `signed-head-${name}`)
  const signedState = await openSignedState(state, formatVkey(signer.ed25519))
  try {
    return await openSharedLog({
      publishIntervalMs: 20,
      leaseMs: 1_000,
      ...options,
      store: wrap(store),
      signer,
      signedState: fault(signedState),
      holder: `${name}-${randomBytes(4).toString('hex')}`,
      url: `http://${name}.example`,
    })
  } catch (error) {
    await signedState.close()
    await store.close()
    throw error
  }
}

/** Does what only the superuser can, past all triggers. */
export function tamper({ database }: SharedPlace, sql: string): Promise<void> {
  const path = `SET LOCAL search_path = ${database.schema}`
  return withClient(database.url, async (client) => {
    await client.query(
      `BEGIN; SET LOCAL session_replication_role = replica; ${path}; ${sql}; COMMIT`,
    )
  })
}

/** Keeps all rows of all tables as they are now; answers what puts them back. */
export async function copyOfAll(place: SharedPlace): Promise<() => Promise<void>> {
  const { url, schema } = place.database
  const { rows } = await withClient(url, (client) =>
    client.query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = '${schema}'`,
    ),
  )
  const names = rows.map(({ name }) => name)
  await tamper(place, names.map((name) => `CREATE TABLE old_${name} AS TABLE ${name}`).join('; '))
  const all = names.map((name) => `TRUNCATE ${name} CASCADE; INSERT INTO ${name} TABLE old_${name}`)
  return () => tamper(place, all.join('; '))
}

/** Holds the calls of a server to its database, as a process does that is stopped for a while. */
export interface Gate {
  readonly wrap: (store: SharedLogStore) => SharedLogStore
  /** Holds all calls made from now on; `only` those of one name. */
  hold(only?: string): void
  /** Lets the calls held go, and those that follow. */
  letGo(): void
  /** The names of those held. */
  held(): string[]
}

export function gate(): Gate {
  let holds: (name: string) => boolean = () => false
  const waiting: { readonly name: string; go(): void }[] = []

  async function pass<T>(name: string, call: () => Promise<T>): Promise<T> {
    if (holds(name)) await new Promise<void>((go) => waiting.push({ name, go }))
    return call()
  }

  function gated<T extends object>(target: T): T {
    return new Proxy(target, {
      get(_, name) {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        if (name === 'watch' || name === 'close' || name === 'inspect') return value.bind(target)
        return async (...given: unknown[]) => {
          const answer = await pass(String(name), () => value.apply(target, given))
          return name === 'lead' && answer !== undefined ? gated(answer as LeaderStore) : answer
        }
      },
    })
  }

  return {
    wrap: gated,
    hold(only) {
      holds = only === undefined ? () => true : (name) => name === only
    },
    letGo() {
      holds = () => false
      for (const { go } of waiting.splice(0)) go()
    },
    held: () => waiting.map(({ name }) => name),
  }
}
