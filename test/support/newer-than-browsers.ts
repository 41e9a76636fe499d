/**
 * What a script for browsers must not need, since Firefox ESR 115 and Safari 16.0 do not have it: what they cannot even
 * read, and what is called without asking whether it is there. The rest esbuild lowers (.ci/build-browser.mjs).
 */
const NEWER =
  /\(\?<[=!]|\bstatic\s*\{|\bAbortSignal\.any\(|\bPromise\.(withResolvers|try)\(|\b(Object|Map)\.groupBy\(|\bArray\.fromAsync\(|\.symmetricDifference\(/

/** The first such thing in a script; undefined when there is none. */
export function newerThanBrowsers(script: string): string | undefined {
  return NEWER.exec(script)?.[0]
}
