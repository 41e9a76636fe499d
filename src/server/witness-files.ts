/** Files of a witness's data directory beside those that every data directory has. */

export const WITNESS_FILES = {
  /** What a log's operator takes over: a tlog-policy that requires this witness. */
  policy: 'witness.policy',
  /** Where the witness listens, for commands on the same machine. */
  url: 'url',
} as const
