/** A page as a whole: one file that loads nothing and runs nothing, and that no one finds by searching. */
import { type Content, html, type Markup, textOf, verbatim } from './markup.ts'
import { PAGE_STYLE, pageBoxes } from './page-style.ts'

export interface PageDocument {
  readonly title: Content
  /** What stands at the foot of each printed page. In a style sheet nothing is escaped: no text of strangers. */
  readonly footline: string
  readonly body: Markup
}

/** The text of a page. */
export function pageDocument({ title, footline, body }: PageDocument): string {
  return textOf(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>${title}</title>
<style>${verbatim(PAGE_STYLE)}${verbatim(pageBoxes(footline))}</style>
</head>
<body>
${body}</body>
</html>
`)
}
