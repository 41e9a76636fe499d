/** Lists that come in pages. */

const ON_A_PAGE = 1000

/** Everything that is on all pages, in order. */
export async function allOnPages<Page extends { readonly cursor?: string }, T>(
  fetchPage: (which: { readonly limit: number; readonly cursor?: string }) => Promise<Page>,
  itemsOf: (page: Page) => readonly T[],
): Promise<T[]> {
  const all: T[] = []
  let cursor: string | undefined
  do {
    const page = await fetchPage({ limit: ON_A_PAGE, ...(cursor !== undefined && { cursor }) })
    all.push(...itemsOf(page))
    cursor = page.cursor
  } while (cursor !== undefined)
  return all
}
