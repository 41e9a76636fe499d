/** Elements made by code: whatever text is put into one is text, never markup, and shows what it holds. */
import { visible } from '../../formats/html.ts'

/** What can be put into an element; `undefined` and `false` leave nothing. */
export type Child = Node | string | undefined | false | readonly Child[]

/** Attributes by their names; `true` stands for one without a value. */
export type Attributes = Readonly<Record<string, string | true | undefined | false>>

export function el<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    element.setAttribute(key, value === true ? '' : value)
  }
  element.append(...children.flatMap(nodesOf))
  return element
}

function nodesOf(child: Child): (Node | string)[] {
  if (child === undefined || child === false) return []
  if (typeof child === 'string') return [shown(child)]
  return isList(child) ? child.flatMap(nodesOf) : [child]
}

// Array.isArray does not tell a readonly array from the rest of a union.
function isList(child: Node | readonly Child[]): child is readonly Child[] {
  return Array.isArray(child)
}

/** Text in which everything can be seen; only its lines stay lines. */
export function shown(text: string): string {
  return text
    .split(/\r\n|\n/)
    .map((line) => visible(line.replaceAll('\t', '  ')))
    .join('\n')
}

/** An element of the page by its id. @throws Error when the page has none */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id)
  if (found instanceof type) return found
  throw new Error(`the page has no ${id}`)
}

/** Tells of the files that somebody chooses, also of the same ones once more. */
export function onFiles(input: HTMLInputElement, take: (files: File[]) => void): void {
  input.addEventListener('change', () => {
    take([...(input.files ?? [])])
    // Else choosing the same would be no change.
    input.value = ''
  })
}

const SVG = 'http://www.w3.org/2000/svg'
const ICONS = {
  held: 'M3 8.5l3.5 3.5L13 4.5',
  failed: 'M4 4l8 8M12 4l-8 8',
  skipped: 'M4 8h8',
  alarm: 'M8 2.5v6.5M8 12.5v.5',
  wait: 'M8 4v4.5l3 1.5M8 1.8a6.2 6.2 0 1 0 .01 0',
} as const

export type IconName = keyof typeof ICONS

/** A sign that goes with a word that says the same. */
export function icon(name: IconName): SVGElement {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('viewBox', '0 0 16 16')
  svg.setAttribute('aria-hidden', 'true')
  svg.setAttribute('class', 'icon')
  const path = document.createElementNS(SVG, 'path')
  path.setAttribute('d', ICONS[name])
  svg.append(path)
  return svg
}
