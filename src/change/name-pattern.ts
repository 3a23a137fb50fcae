/** Name patterns of selectors: `*` any text, `?` one character, `\` before either (or itself) for itself; the whole name, case as written. */

type Piece = { readonly any: 'text' | 'character' } | { readonly character: string }

/** Equal texts match however they are composed (NFC). Takes time in the product of both lengths at most. */
export function nameMatcher(pattern: string): (name: string) => boolean {
  const pieces = piecesOf(pattern)
  return (name) => matches(pieces, [...name.normalize('NFC')])
}

function piecesOf(pattern: string): Piece[] {
  const pieces: Piece[] = []
  const characters = [...pattern.normalize('NFC')]
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index]!
    const following = characters[index + 1]
    if (character === '\\' && (following === '*' || following === '?' || following === '\\')) {
      pieces.push({ character: following })
      index += 1
    } else if (character === '*') pieces.push({ any: 'text' })
    else if (character === '?') pieces.push({ any: 'character' })
    else pieces.push({ character })
  }
  return pieces
}

function matches(pieces: readonly Piece[], name: readonly string[]): boolean {
  let piece = 0
  let at = 0
  // Where to go on when what follows the last star does not fit.
  let star: { readonly piece: number; at: number } | undefined
  while (at < name.length) {
    const wanted = pieces[piece]
    if (wanted !== undefined && 'any' in wanted && wanted.any === 'text') {
      star = { piece, at }
      piece += 1
    } else if (wanted !== undefined && ('any' in wanted || wanted.character === name[at])) {
      piece += 1
      at += 1
    } else if (star !== undefined) {
      star.at += 1
      at = star.at
      piece = star.piece + 1
    } else return false
  }
  return pieces.slice(piece).every((rest) => 'any' in rest && rest.any === 'text')
}
