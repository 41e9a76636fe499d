/** Numbers of cards and of bank accounts, which carry their own check digits. */
import { passesLuhn, passesMod97 } from './secret-checks.ts'

/**
 * Plain, or in the groups in which they stand on cards: 4-4-4-4, 4-4-4-4-3, 4-6-5 and 4-6-4. The n of an escaped line
 * end, in JSON within JSON, is no letter.
 */
const CARD =
  /(?:(?<![A-Za-z0-9_]|[0-9]\.)|(?<=\\[nrtbf]))[2-6][0-9]{3}(?:[0-9]{10,15}|(?<gap>[ -])(?:[0-9]{4}\k<gap>[0-9]{4}\k<gap>[0-9]{4}(?:\k<gap>[0-9]{3})?|[0-9]{6}\k<gap>[0-9]{4,5}))(?![A-Za-z0-9_]|\.[0-9])/g

/** What every card number has, found five times as fast. */
const MAYBE_CARD = /[2-6][0-9]{3}(?:[0-9]{10}|[ -][0-9]{4})/

/** First digits of issuers, from and to, and how long their numbers are (ISO/IEC 7812). */
const ISSUERS: readonly (readonly [from: string, to: string, lengths: readonly number[]])[] = [
  ['4', '4', [16, 19]],
  ['51', '55', [16]],
  ['2221', '2720', [16]],
  ['34', '34', [15]],
  ['37', '37', [15]],
  ['300', '305', [14, 16]],
  ['36', '36', [14]],
  ['38', '39', [16]],
  ['3528', '3589', [16]],
  ['6011', '6011', [16, 19]],
  ['644', '659', [16, 19]],
  ['62', '62', [16, 17, 18, 19]],
  ['2200', '2204', [16]],
  ['5018', '5018', [16]],
  ['5020', '5020', [16]],
  ['5038', '5038', [16]],
  ['6304', '6304', [16]],
  ['6759', '6763', [16]],
]

function isCardNumber(digits: string): boolean {
  return (
    ISSUERS.some(([from, to, lengths]) => {
      const first = digits.slice(0, from.length)
      return lengths.includes(digits.length) && first >= from && first <= to
    }) && passesLuhn(digits)
  )
}

export function findCardNumbers(
  text: string,
  report: (offset: number, length: number) => void,
): void {
  if (!MAYBE_CARD.test(text)) return
  CARD.lastIndex = 0
  for (let found = CARD.exec(text); found !== null; found = CARD.exec(text)) {
    // The last group may be the code on the back of the card, of three digits as well.
    const number = [found[0], found[0].slice(0, 19)].find((one) =>
      isCardNumber(one.replace(/[ -]/g, '')),
    )
    if (number !== undefined && (number === found[0] || found.groups?.gap !== undefined)) {
      report(found.index, number.length)
    }
    // Of "2029 4111 1111 1111 1111" the card is the second part.
    else CARD.lastIndex = found.index + 1
  }
}

/** How long the IBANs of each country are (the SWIFT registry of ISO 13616). */
const IBAN_LENGTHS = new Map(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 ' +
    'FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 ' +
    'LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 ' +
    'QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30'
  )
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))] as const),
)
const MAYBE_IBAN = /[A-Z]{2}[0-9]{2}[ A-Z0-9]/
const IBAN_START = /(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf]))[A-Z]{2}[0-9]{2}(?=[ A-Z0-9])/g

/** Plain, or in groups of four as they are printed. */
export function findIbans(text: string, report: (offset: number, length: number) => void): void {
  if (!MAYBE_IBAN.test(text)) return
  IBAN_START.lastIndex = 0
  for (let found = IBAN_START.exec(text); found !== null; found = IBAN_START.exec(text)) {
    const length = IBAN_LENGTHS.get(found[0].slice(0, 2))
    if (length === undefined) continue
    const printed = length + (text[found.index + 4] === ' ' ? Math.ceil(length / 4) - 1 : 0)
    const whole = text.slice(found.index, found.index + printed)
    const form = printed === length ? /^[A-Z0-9]+$/ : /^(?:[A-Z0-9]{4} )+[A-Z0-9]{1,4}$/
    if (!form.test(whole) || /^[A-Za-z0-9]/.test(text.slice(found.index + printed))) continue
    if (passesMod97(whole.replaceAll(' ', ''))) report(found.index, printed)
  }
}
