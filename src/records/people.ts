/** The pseudonyms of the people lately recorded, so that the vault is not asked for each record of theirs. */
import { Cache } from '../vault/cache.ts'
import type { Vault } from '../vault/vault.ts'

const KEPT = 10_000

export class People {
  readonly #vault: Vault
  #known = new Cache<string, string>(KEPT)

  constructor(vault: Vault) {
    this.#vault = vault
  }

  /** The pseudonym of a person, made at first use. @throws what the vault throws */
  async pseudonym(tenant: string, person: string): Promise<string> {
    const name = nameOf(tenant, person)
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const before = this.#known
    const pseudonym = await this.#vault.pseudonym(tenant, person)
    // What was asked before somebody was erased may be of no use after it.
    if (before === this.#known) this.#known.set(name, pseudonym)
    return pseudonym
  }

  /** Forgets all of them, after somebody was erased. */
  forget(): void {
    this.#known = new Cache(KEPT)
  }
}

function nameOf(tenant: string, person: string): string {
  return `${tenant} ${person}`
}
