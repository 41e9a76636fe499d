/** Events as lines: in words on a terminal, as JSON with the time everywhere else. */

export interface EventStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Writes events of one kind to a stream; `describe` puts one in words. */
export function writeEvents<E extends object>(
  stream: EventStream,
  describe: (event: E) => string,
  now: () => Date = () => new Date(),
): (event: E) => void {
  return stream.isTTY === true
    ? (event) => stream.write(`${describe(event)}\n`)
    : (event) => stream.write(`${JSON.stringify({ time: now().toISOString(), ...event })}\n`)
}
