/**
 * JSON that was written without spaces and escapes, in ASCII, read from its bytes by whoever knows what comes next.
 *
 * Owns where it stands in the bytes, and the texts read lately: a bounded table, from which whoever reads one again gets the very same string.
 * Invariants:
 * 1. What a method answers equals what `JSON.parse` makes of the bytes it has passed. Where it cannot tell, the answer is false, undefined or -1,
 *    and only then does it stand where it stood.
 * 2. Nothing outside the bytes it was given is compared, whatever they are a part of.
 */
const quote = 0x22
const backslash = 0x5c
const digitZero = 0x30
const openBrace = 0x7b
const closeBrace = 0x7d

const wordBytes = 8
/** A power of 2. */
const knownTexts = 8_192
const slotBits = Math.log2(knownTexts)
/** Longer texts are not looked up. */
const wordsOfText = 8
/** With fewer digits every whole number is a safe one. */
const mostDigits = 15

/**
 * Eight bytes are compared as one number. Eight characters of ASCII are neither a NaN nor a zero, so where one of two such numbers is known to be
 * made of them, they are equal exactly where their bytes are.
 */
export class Expected {
  readonly length: number
  readonly words: readonly number[]
  /** Of the words; the last two may overlap. */
  readonly offsets: readonly number[]

  /** Printable ASCII, eight characters at least. */
  constructor(text: string) {
    if (!/^[\x20-\x7e]{8,}$/.test(text)) throw new RangeError(`${JSON.stringify(text)} is not eight or more characters of printable ASCII`)
    const bytes = Buffer.from(text, 'latin1')
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const offsets: number[] = []
    for (let offset = 0; offset + wordBytes <= bytes.length; offset += wordBytes) offsets.push(offset)
    if (bytes.length % wordBytes > 0) offsets.push(bytes.length - wordBytes)
    this.length = bytes.length
    this.offsets = offsets
    this.words = offsets.map((offset) => view.getFloat64(offset, true))
  }
}

/** Texts that are likely to be as long as one another. */
export class Kind {
  /** Of the last one, closing quote included. */
  length = 0
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export class PlainJson {
  #bytes: Buffer = Buffer.alloc(0)
  #view: DataView = new DataView(new ArrayBuffer(0))
  #at = 0
  #end = 0
  readonly #texts = new Array<string>(knownTexts).fill('')
  /** Of each text its last 64 bytes at most, closing quote included, filled up to whole words with what stood before it. */
  readonly #words = new Float64Array(knownTexts * wordsOfText)

  /** Stands at their beginning. They must not change before the next `open`. */
  open(bytes: Uint8Array): void {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#at = 0
    this.#end = bytes.length
  }

  get at(): number {
    return this.#at
  }

  /** To where it stood before. */
  goBack(at: number): void {
    this.#at = at
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end
  }

  take(expected: Expected): boolean {
    const at = this.#at
    if (at + expected.length > this.#end) return false
    const view = this.#view
    const { words, offsets } = expected
    for (let index = 0; index < words.length; index++) if (view.getFloat64(at + offsets[index]!, true) !== words[index]) return false
    this.#at = at + expected.length
    return true
  }

  stands(expected: number): boolean {
    return this.#bytes[this.#at] === expected
  }

  takeByte(expected: number): boolean {
    if (this.#bytes[this.#at] !== expected) return false
    this.#at += 1
    return true
  }

  /** A whole number of at most 15 digits; -1 where none stands here. What stands behind its digits is not looked at. */
  count(): number {
    const bytes = this.#bytes
    const from = this.#at
    let at = from
    let value = 0
    // Behind the end there is no byte, and NaN is no digit.
    let digit = bytes[at]! - digitZero
    while (digit >= 0 && digit <= 9) {
      value = value * 10 + digit
      at += 1
      digit = bytes[at]! - digitZero
    }
    const digits = at - from
    if (digits === 0 || digits > mostDigits || (digits > 1 && bytes[from] === digitZero)) return -1
    this.#at = at
    return value
  }

  /** From behind the opening quote up to the closing one, which is not taken. Eight bytes at least that were expected, and taken, stand before it. */
  text(kind: Kind): string | undefined {
    const known = this.#known(kind.length)
    if (known !== undefined) return known
    const from = this.#at
    const text = this.freshText()
    if (text === undefined) return undefined
    const length = text.length + 1
    if (length > wordsOfText * wordBytes) return text
    this.#at = from
    kind.length = length
    const other = this.#known(length)
    if (other !== undefined) return other
    const end = from + length
    const slot = this.#slot(end)
    this.#texts[slot] = text
    for (let at = end - bytesCompared(length), word = slot * wordsOfText; at < end; at += wordBytes, word++) this.#words[word] = this.#view.getFloat64(at, true)
    this.#at = end - 1
    return text
  }

  /** As `text`, for what is not read again. */
  freshText(): string | undefined {
    const bytes = this.#bytes
    const from = this.#at
    for (let at = from; at < this.#end; at++) {
      const byte = bytes[at]!
      if (byte === quote) {
        this.#at = at
        return bytes.toString('latin1', from, at)
      }
      if (byte < 0x20 || byte > 0x7e || byte === backslash) return undefined
    }
    return undefined
  }

  /** The object that begins here, whatever it holds. It ends where its braces do: if what lies up to there is JSON, it is all of the value. */
  object(): object | undefined {
    const bytes = this.#bytes
    const from = this.#at
    if (bytes[from] !== openBrace) return undefined
    let depth = 0
    let at = from
    for (; at < this.#end; at++) {
      const byte = bytes[at]
      if (byte === quote) {
        for (at += 1; at < this.#end && bytes[at] !== quote; at++) if (bytes[at] === backslash) at += 1
      } else if (byte === openBrace) depth += 1
      else if (byte === closeBrace && --depth === 0) break
    }
    try {
      const value = JSON.parse(decoder.decode(bytes.subarray(from, at + 1))) as object
      this.#at = at + 1
      return value
    } catch {
      return undefined
    }
  }

  /** The text that has this length with its closing quote, if it was read lately. The words say where it ends, its length where it begins. */
  #known(length: number): string | undefined {
    const end = this.#at + length
    if (end > this.#end) return undefined
    const slot = this.#slot(end)
    const text = this.#texts[slot]!
    if (text.length !== length - 1) return undefined
    const view = this.#view
    const words = this.#words
    for (let at = end - bytesCompared(length), word = slot * wordsOfText; at < end; at += wordBytes, word++) if (view.getFloat64(at, true) !== words[word]) return undefined
    this.#at = end - 1
    return text
  }

  /** Of a text that ends there: its last characters differ most. */
  #slot(end: number): number {
    const view = this.#view
    return Math.imul(view.getInt32(end - 4, true) ^ Math.imul(view.getInt32(end - 8, true), 0x9e3779b1), 0x85ebca6b) >>> (32 - slotBits)
  }
}

function bytesCompared(length: number): number {
  return wordBytes * Math.ceil(length / wordBytes)
}
