/** Passwords and keys that stand beside their name: `password=…`, `"api_key": "…"`. */
import { looksLikePassword, looksLikeToken } from './secret-checks.ts'

const PASSWORD_NAME = /(?:password|passwd|passphrase|pwd|(?:^|db|user|admin|root|smtp)pass)$/
const TOKEN_NAME =
  /(?:secret|(?:secret|api|access|account|private|signing|encryption|auth|client|master)key|token)$/
/** Tokens that open nothing. */
const OPEN_NAME = /page|next|continu|cursor|csrf|xsrf|public/

/** Whether a text beside a name is a secret, to judge by both. */
function isSecretOf(name: string, value: string): boolean {
  const plain = name.replace(/[-_. ]/g, '').toLowerCase()
  if (PASSWORD_NAME.test(plain)) return looksLikePassword(value)
  return TOKEN_NAME.test(plain) && !OPEN_NAME.test(plain) && looksLikeToken(value)
}

/** A name of at most 40 characters before a separator, perhaps in quotes, which JSON within JSON escapes. */
const NAME_BEFORE = /([A-Za-z][A-Za-z0-9_.-]{1,40})\\?["']?[ \t]{0,2}$/
const VALUE_AFTER = /[=>]?[ \t]{0,3}(?:\\?["'`])?/y
const VALUE = /[^\s"'`\\,;&<>(){}[\]|]{8,256}/y
const LONGEST_BEFORE = 48

export function findPasswordPairs(
  text: string,
  report: (offset: number, length: number) => void,
  member = '',
): void {
  if (member !== '' && !/\s/.test(text) && text.length <= 256 && isSecretOf(member, text)) {
    report(0, text.length)
    return
  }
  for (let at = nextSeparator(text, 0); at < text.length; at = nextSeparator(text, at + 1)) {
    if (!mayEndName(text, at)) continue
    const name = NAME_BEFORE.exec(text.slice(Math.max(0, at - LONGEST_BEFORE), at))?.[1]
    if (name === undefined) continue
    VALUE_AFTER.lastIndex = at + 1
    const start = at + 1 + (VALUE_AFTER.exec(text)?.[0].length ?? 0)
    VALUE.lastIndex = start
    const value = VALUE.exec(text)?.[0].replace(/[.!?]+$/, '')
    if (value === undefined || text[start + value.length] === '(') continue
    if (!isSecretOf(name, value)) continue
    report(start, value.length)
    at = start + value.length - 1
  }
}

/** Whether the letter before a separator is the last of a name of a secret: worD, keY, secreT, tokeN, pasS, passphrasE. */
function mayEndName(text: string, separator: number): boolean {
  let at = separator - 1
  while (at > separator - 6 && ' \t"\'\\'.includes(text.charAt(at))) at--
  return 'dytnseDYTNSE'.includes(text.charAt(at)) && at >= 0
}

function nextSeparator(text: string, from: number): number {
  let at = from
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x3d || code === 0x3a) break
  }
  return at
}
