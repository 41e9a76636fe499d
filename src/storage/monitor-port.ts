/**
 * What a monitor keeps of the logs that it follows: for each a state (bytes that the monitor gives a meaning) and the
 * hashes of its tree, level by level as in tiles; and the evidence that it found.
 */

export interface MonitorStore {
  /**
   * The part of one log, named by 64 hexadecimal digits, made when there is none. A log is opened once at a time.
   * @throws IO
   */
  openLog(name: string): Promise<MonitoredLogStore>

  /**
   * Keeps a file of evidence durably, and gives its place. What is there under that name already stays as it is.
   * @throws IO
   */
  keepEvidence(name: string, bytes: Uint8Array): Promise<string>
}

export interface MonitoredLogStore {
  /** Where it is, for people. */
  readonly place: string

  /** The state written last, or undefined before the first. @throws IO; TOO_LARGE beyond any state */
  readState(): Promise<Uint8Array | undefined>

  /**
   * Replaces the state in one step. Once this resolves it is on stable storage, and so are all hashes that were appended
   * before: a state never speaks of hashes that a power cut can take away.
   * @throws IO
   */
  writeState(bytes: Uint8Array): Promise<void>

  /** How many hashes a level has. */
  count(level: number): number

  /** Adds hashes, 32 bytes each, to the end of a level. Durable with the next state. @throws IO */
  append(level: number, hashes: Uint8Array): Promise<void>

  /** `count` hashes of a level from the `first` on. @throws NOT_FOUND when there are fewer, IO */
  read(level: number, first: number, count: number): Promise<Uint8Array>

  /** Drops all hashes of a level after the first `count`. @throws IO */
  cut(level: number, count: number): Promise<void>
}
