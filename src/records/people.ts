/** The pseudonyms of the people lately recorded, so that the vault is not asked for each record of theirs. */
import { CairnError } from '../errors.ts'
import { PSEUDONYM } from '../formats/record-values.ts'
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

/**
 * The pseudonym of somebody who is asked for, by name or by pseudonym: what looks like one is one, whatever others may
 * call themselves. Undefined for a name that nobody has. @throws MALFORMED, CORRUPT, IO
 */
export async function askedPseudonym(
  vault: Vault,
  tenant: string,
  person: string,
): Promise<string | undefined> {
  return PSEUDONYM.holds(person) ? person : vault.knownPseudonym(tenant, person)
}

/** The same, but undefined also for a pseudonym that nobody has, or nobody any more. @throws MALFORMED, IO */
export async function livePseudonym(
  vault: Vault,
  tenant: string,
  person: string,
): Promise<string | undefined> {
  if (!PSEUDONYM.holds(person)) return vault.knownPseudonym(tenant, person)
  try {
    return (await vault.person(tenant, person)) === undefined ? undefined : person
  } catch (error) {
    // Damage must keep nobody: they can be erased all the same.
    if (error instanceof CairnError && error.code === 'CORRUPT') return person
    throw error
  }
}
