/** Events as lines: in words on a terminal, as JSON with the time everywhere else. */
import { toBase64 } from '../bytes.ts'

export interface EventStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Bytes, such as hashes, as they stand in answers. */
function readable(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? toBase64(value) : value
}

/** Writes events of one kind to a stream; `describe` puts one in words. */
export function writeEvents<E extends object>(
  stream: EventStream,
  describe: (event: E) => string,
  now: () => Date = () => new Date(),
): (event: E) => void {
  return stream.isTTY === true
    ? (event) => stream.write(`${describe(event)}\n`)
    : (event) =>
        stream.write(`${JSON.stringify({ time: now().toISOString(), ...event }, readable)}\n`)
}
