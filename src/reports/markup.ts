/**
 * HTML in which every text is escaped by construction: a template's own words are markup, whatever is put into it is
 * text unless it came from such a template itself.
 */
import { escapeHtml, visible } from '../formats/html.ts'

// A symbol, so that nothing that was read from JSON can pass for markup.
const MARKUP: unique symbol = Symbol('markup')

export interface Markup {
  readonly [MARKUP]: string
}

/** What can be put into a template; `undefined` and `false` leave nothing. */
export type Content = string | number | Markup | undefined | false | readonly Content[]

/** A piece of HTML. Attributes have to be in double quotes. */
export function html(pieces: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  let text = pieces[0]!
  for (const [i, content] of contents.entries()) text += written(content) + pieces[i + 1]!
  return { [MARKUP]: text }
}

/** Text of our own that is to stand as it is: a style sheet. */
export function verbatim(text: string): Markup {
  return { [MARKUP]: text }
}

export function textOf(markup: Markup): string {
  return markup[MARKUP]
}

function written(content: Content): string {
  if (content === undefined || content === false) return ''
  if (typeof content === 'string') return escapeHtml(visible(content))
  if (typeof content === 'number') return escapeHtml(String(content))
  return isList(content) ? content.map(written).join('') : content[MARKUP]
}

// Array.isArray does not tell a readonly array from the rest of a union.
function isList(content: Markup | readonly Content[]): content is readonly Content[] {
  return Array.isArray(content)
}
