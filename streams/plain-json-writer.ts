/**
 * JSON without spaces, put together in one piece of memory by whoever knows what it looks like; the counterpart of `plain-json.ts`.
 *
 * Owns that piece of memory, which grows as needed, and the plain texts written lately: a bounded table, from which one that is written again is
 * had eight bytes at a time. Invariants:
 * 1. What `text` and `count` write is what `JSON.stringify` makes of the same value, a text without its quotes. Where they cannot tell, the answer
 *    is false, and nothing is added.
 * 2. What is handed out is a copy: it stays as it is when something else is written.
 */
import type { Expected } from './plain-json.ts'

const quote = 0x22
const backslash = 0x5c
const digitZero = 0x30

const wordBytes = 8
/** Shorter and longer texts are not kept. */
const wordsOfText = 8
const knownTexts = 4_096

const leastBytes = 64 * 1024
/** What has grown beyond that, for something that is too large to be a turn, is not kept. */
const mostBytesKept = 1024 * 1024
/** Of a number that fits into 31 bits. */
const mostDigits = 10
/** A character of UTF-16 takes at most three bytes in UTF-8. */
const bytesOfCharacter = 3

export class PlainJsonWriter {
  #bytes = Buffer.allocUnsafeSlow(leastBytes)
  #view = new DataView(this.#bytes.buffer)
  #at = 0
  /** A character is a byte, of all that was written since `open`. */
  #isAscii = true
  /** Texts found to be plain lately: where their words begin, the last two of which may overlap. */
  readonly #known = new Map<string, number>()
  readonly #words = new Float64Array(knownTexts * wordsOfText)

  /** Begins anew. */
  open(): void {
    this.#at = 0
    this.#isAscii = true
    if (this.#bytes.length > mostBytesKept) this.#use(Buffer.allocUnsafeSlow(leastBytes))
  }

  get at(): number {
    return this.#at
  }

  /** What was written from there on is dropped. */
  goBack(at: number): void {
    this.#at = at
  }

  put({ length, words, offsets }: Expected): void {
    const at = this.#at
    if (at + length > this.#bytes.length) this.#grow(length)
    const view = this.#view
    for (let index = 0; index < words.length; index++) view.setFloat64(at + offsets[index]!, words[index]!, true)
    this.#at = at + length
  }

  putByte(byte: number): void {
    if (this.#at === this.#bytes.length) this.#grow(1)
    this.#bytes[this.#at++] = byte
  }

  /** JSON, whatever it holds. */
  putJson(json: string): void {
    const most = json.length * bytesOfCharacter
    if (this.#at + most > this.#bytes.length) this.#grow(most)
    const written = this.#bytes.write(json, this.#at)
    this.#isAscii &&= written === json.length
    this.#at += written
  }

  /** Without its quotes: printable ASCII in which nothing is to be escaped. */
  text(value: unknown): boolean {
    if (typeof value !== 'string') return false
    const { length } = value
    if (this.#at + length > this.#bytes.length) this.#grow(length)
    const at = this.#at
    const end = at + length
    const known = this.#known.get(value)
    if (known !== undefined) {
      const view = this.#view
      const words = this.#words
      let word = known
      for (let next = at; next + wordBytes < end; next += wordBytes) view.setFloat64(next, words[word++]!, true)
      view.setFloat64(end - wordBytes, words[word]!, true)
    } else {
      const bytes = this.#bytes
      for (let index = 0; index < length; index++) {
        const code = value.charCodeAt(index)
        if (code < 0x20 || code > 0x7e || code === quote || code === backslash) return false
        bytes[at + index] = code
      }
      if (length >= wordBytes && length <= wordsOfText * wordBytes) this.#keep(value, at)
    }
    this.#at = end
    return true
  }

  /** A whole number from 0 that fits into 31 bits: with those V8 reckons fastest. */
  count(value: unknown): boolean {
    if (typeof value !== 'number') return false
    let rest = value | 0
    if (rest !== value || rest < 0) return false
    if (this.#at + mostDigits > this.#bytes.length) this.#grow(mostDigits)
    const bytes = this.#bytes
    let digits = 1
    for (let limit = 10; digits < mostDigits && rest >= limit; limit *= 10) digits += 1
    this.#at += digits
    for (let at = this.#at - 1; digits > 0; digits--, at--) {
      const tens = (rest / 10) | 0
      bytes[at] = digitZero + rest - tens * 10
      rest = tens
    }
    return true
  }

  bytes(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at))
  }

  /** What was written between each two places, which do not overlap, as texts. */
  texts(places: readonly { readonly from: number; readonly to: number }[]): string[] {
    if (!this.#isAscii) return places.map(({ from, to }) => this.#bytes.toString('utf8', from, to))
    const all = this.#bytes.toString('latin1', 0, this.#at)
    return places.map(({ from, to }) => all.slice(from, to))
  }

  /** It was written there. */
  #keep(text: string, at: number): void {
    if (this.#known.size === knownTexts) this.#known.clear()
    let word = this.#known.size * wordsOfText
    this.#known.set(text, word)
    const end = at + text.length
    for (let next = at; next + wordBytes < end; next += wordBytes) this.#words[word++] = this.#view.getFloat64(next, true)
    this.#words[word] = this.#view.getFloat64(end - wordBytes, true)
  }

  #grow(bytes: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#at + bytes))
    grown.set(this.#bytes.subarray(0, this.#at))
    this.#use(grown)
  }

  #use(bytes: Buffer<ArrayBuffer>): void {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer)
  }
}
