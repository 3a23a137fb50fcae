/** Listings come in pages. */

/** Items of all pages, at most `most`. */
export async function allPages<Page extends { readonly next: string | null }, Item>(
  read: (after: { after?: string }) => Promise<Page>,
  itemsOf: (page: Page) => readonly Item[],
  most = Number.MAX_SAFE_INTEGER,
): Promise<readonly Item[]> {
  const items: Item[] = []
  let after: string | undefined
  do {
    const page = await read(after === undefined ? {} : { after })
    items.push(...itemsOf(page))
    after = page.next ?? undefined
  } while (after !== undefined && items.length < most)
  return items.length > most ? items.slice(0, most) : items
}
