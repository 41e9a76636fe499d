/** How the explorer's pages say times, lengths of time and hashes. */
import { toHex } from '../../bytes.ts'
import { counted, grouped } from '../../formats/count.ts'
import { visible } from '../../formats/html.ts'
import { timeWords } from '../../reports/words.ts'

/** Milliseconds since 1970 as `2026-12-01 08:30:00 UTC`. */
export function timeText(milliseconds: number): string {
  return timeWords(new Date(milliseconds).toISOString())
}

/** A length of time in its largest unit: `12 s`, `3 min`, `5 h`, `2 days`. */
export function spanText(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`
  return counted(Math.floor(seconds / 86_400), 'day')
}

/** How long ago something was: `now`, `12 s ago`, `2 days ago`. */
export function ageText(milliseconds: number): string {
  return milliseconds < 1_000 ? 'now' : `${spanText(milliseconds)} ago`
}

/** A latency: `0.4 ms`, `12 ms`, `1.5 s`. */
export function latencyText(milliseconds: number): string {
  if (milliseconds >= 1_000) return `${grouped((milliseconds / 1_000).toFixed(1))} s`
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`
}

/** The first eight digits of a hash. */
export function shortHash(hash: Uint8Array): string {
  return toHex(hash.subarray(0, 4))
}

/** `3 B`, `120.6 KiB`. */
export function bytesText(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KiB`
}

/** `entry 5`, `entries 4–7`; up to but without `to`. */
export function rangeText(from: number, to: number): string {
  return to - from === 1 ? `entry ${grouped(from)}` : `entries ${grouped(from)}–${grouped(to - 1)}`
}

/** Text of several lines, each with nothing in it that cannot be seen. */
export function visibleLines(text: string): string {
  return text
    .split(/\r\n|\n/)
    .map((line) => visible(line.replaceAll('\t', '  ')))
    .join('\n')
}
