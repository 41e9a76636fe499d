/**
 * Where the tokens of a log are kept: one text, the lines of src/server/tokens.ts, which is read and replaced as a whole.
 * It holds hashes and no token.
 */
export interface StoredTokens {
  readonly text: string
  /** In words, where the first of them was made and is kept in clear; undefined where that goes without saying. */
  readonly madeAt: string | undefined
}

export interface TokenStore {
  /** For messages: a file, or a database. */
  readonly place: string

  /** What changes whenever the tokens do; undefined when it cannot be looked at. Cheap, and never fails. */
  stamp(): Promise<string | undefined>

  /** The tokens, or undefined before the first. @throws CORRUPT, UNAVAILABLE, IO */
  read(): Promise<StoredTokens | undefined>

  /**
   * Replaces the text by what `change` makes of it (undefined: there is none yet), while nobody else does. `change` may
   * be called again, and what it throws changes nothing. `madeAt` is kept with the first text.
   * @throws LOCKED when somebody else does for too long; CORRUPT, UNAVAILABLE, IO
   */
  update(change: (text: string | undefined) => string, madeAt?: string): Promise<void>
}
