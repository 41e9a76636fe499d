/** Content negotiation as RFC 9110 section 12 has it, for the few media types that the log speaks. */

interface Range {
  readonly value: string
  readonly weight: number
}

/** The parts of an `Accept` or `Accept-Encoding` value with their weights; what cannot be read weighs nothing. */
function ranges(header: string): Range[] {
  return header.split(',').map((part) => {
    const [value = '', ...parameters] = part.split(';')
    const quality = parameters.map((parameter) => /^\s*q=([0-9.]+)\s*$/i.exec(parameter)?.[1])
    const weight = Number(quality.find((text) => text !== undefined) ?? 1)
    return { value: value.trim().toLowerCase(), weight: weight <= 1 ? weight : 0 }
  })
}

function weightOf(mediaType: string, accepted: readonly Range[]): number {
  const [group] = mediaType.split('/')
  for (const value of [mediaType, `${group}/*`, '*/*']) {
    const range = accepted.find((one) => one.value === value)
    if (range !== undefined) return range.weight
  }
  return 0
}

/**
 * The offered media type that the client likes best, the first where it likes several the same; undefined when it
 * accepts none. No header field means anything is fine.
 */
export function negotiate<Offer extends string>(
  accept: string | undefined,
  offers: readonly Offer[],
): Offer | undefined {
  if (accept === undefined || accept === '*/*' || accept === '') return offers[0]
  const exact = offers.find((offer) => offer === accept)
  if (exact !== undefined) return exact
  const accepted = ranges(accept)
  let best: Offer | undefined
  let bestWeight = 0
  for (const offer of offers) {
    const weight = weightOf(offer, accepted)
    if (weight > bestWeight) {
      best = offer
      bestWeight = weight
    }
  }
  return best
}

/** Whether the client takes gzip. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  if (acceptEncoding === undefined) return false
  const accepted = ranges(acceptEncoding)
  const range =
    accepted.find(({ value }) => value === 'gzip' || value === 'x-gzip') ??
    accepted.find(({ value }) => value === '*')
  return range !== undefined && range.weight > 0
}

/** The media type of a `Content-Type` value in lower case, without its parameters. */
export function mediaTypeOf(contentType: string): string {
  const end = contentType.indexOf(';')
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
}
