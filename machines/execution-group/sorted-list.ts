/** Looking up in a list that stands in rising order of some number of its entries. */

/** Index of the first entry whose number is at least that one; the length of the list where there is none. */
export function firstFrom<T>(list: readonly T[], numberOf: (entry: T) => number, atLeast: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (numberOf(list[middle]!) < atLeast) low = middle + 1
    else high = middle
  }
  return low
}
