/**
 * Colour and symbols for terminals. Whether a stream gets colour is decided here, and not by `styleText`, whose own
 * rule differs between Node versions: FORCE_COLOR, then NO_COLOR, then whether the stream is a terminal.
 */
import { styleText } from 'node:util'
import { counted, grouped } from '../formats/count.ts'

type Format = Parameters<typeof styleText>[0]

export interface Style {
  readonly colour: boolean
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
  cyan(text: string): string
}

type Environment = Readonly<Record<string, string | undefined>>

/** Whether text for `stream` should carry colour (no-color.org, force-color.org). */
export function wantsColour(
  stream: { readonly isTTY?: boolean },
  env: Environment = process.env,
): boolean {
  const force = env.FORCE_COLOR
  if (force !== undefined) return force !== '0' && force !== 'false'
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false
  return stream.isTTY === true && env.TERM !== 'dumb'
}

/** The styles for one stream; without colour they return the text unchanged. */
export function styleFor(stream: { readonly isTTY?: boolean }, env?: Environment): Style {
  const colour = wantsColour(stream, env)
  const paint = (format: Format) => (text: string) =>
    colour ? styleText(format, text, { validateStream: false }) : text
  return {
    colour,
    bold: paint('bold'),
    dim: paint('dim'),
    red: paint('red'),
    green: paint('green'),
    yellow: paint('yellow'),
    cyan: paint('cyan'),
  }
}

/** Columns to fill: the terminal's, within reason, and 80 where there is none. */
export function columnsOf(stream: { readonly columns?: number }): number {
  return Math.min(Math.max(stream.columns ?? 80, 40), 120)
}

/**
 * Text from elsewhere (an origin, a file's name, a server's message) with control and formatting characters made
 * visible, so that it can neither move the cursor nor reorder what stands beside it.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  )
}

/** 1234567 as `1,234,567`. */
export function count(value: number): string {
  return grouped(value)
}

const compacted = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 })

/** 81636 as `81.6K`, where the exact number does not matter. */
export function compact(value: number): string {
  return compacted.format(value)
}

/** `1 leaf`, `2 leaves`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return counted(value, one, many)
}

/** 3 as `3 B`, 123456 as `120.6 KiB`. */
export function byteCount(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** A duration as people say it: `350 ms`, `4.2 s`, `3 min 05 s`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1000)
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`
}

/** A length of time in its largest unit: `12 s`, `3 min`, `5 h`, `2 days`. */
export function span(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000)
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`
  return `${count(Math.floor(seconds / 86_400))} days`
}

/** How long ago something was: `now`, `12 s ago`, `2 days ago`. */
export function age(milliseconds: number): string {
  return milliseconds < 1_000 ? 'now' : `${span(milliseconds)} ago`
}
