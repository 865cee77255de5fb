/** Limit of nested lists, including those of tables. The program's own frames have at most a dozen. */
export const deepest = 64

/** Extension type of a table, which is a frame within the frame. */
export const tableType = 5

const refusal = (words: string): RangeError => new RangeError(`The frame ${words}.`)

/** Bytes of a number after its first byte, from 0xca on. */
const numberBytes = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8]

/** Walks through the structure of a frame without decoding it. */
class Walk {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #mostValues: number
  #values = 0
  #at = 0

  constructor(bytes: Uint8Array, mostValues: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#mostValues = mostValues
  }

  #count(values: number): void {
    this.#values += values
    if (this.#values > this.#mostValues) throw refusal(`holds more than ${this.#mostValues} values`)
  }

  /** Reads a length of 1, 2 or 4 bytes, selected by `place`. */
  #length(place: number, end: number): number {
    const size = 1 << place
    if (this.#at + size > end) throw refusal('is cut off')
    const at = this.#at
    this.#at += size
    if (size === 1) return this.#view.getUint8(at)
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at)
  }

  #skip(length: number, end: number): void {
    if (length > end - this.#at) throw refusal('is cut off, or claims a text or an array that it does not hold')
    this.#at += length
  }

  #extension(length: number, end: number, depth: number): void {
    if (this.#at >= end) throw refusal('is cut off')
    const type = this.#view.getInt8(this.#at++)
    const start = this.#at
    this.#skip(length, end)
    // A typed array within a table becomes a value in each row.
    if (type !== tableType) return this.#count(depth > 0 ? length >> 2 : 0)
    this.#at = start
    this.value(start + length, depth + 1)
  }

  /** Skips what follows a value's first byte. Returns the number of values that it contains. */
  #content(head: number, end: number, depth: number): number {
    if (head < 0x80 || head >= 0xe0) return 0
    if (head < 0x90) return 2 * (head - 0x80)
    if (head < 0xa0) return head - 0x90
    if (head < 0xc0) this.#skip(head - 0xa0, end)
    else if (head === 0xc1) throw refusal('has an unknown type')
    else if (head >= 0xc4 && head < 0xc7) this.#skip(this.#length(head - 0xc4, end), end)
    else if (head >= 0xc7 && head < 0xca) this.#extension(this.#length(head - 0xc7, end), end, depth)
    else if (head >= 0xca && head < 0xd4) this.#skip(numberBytes[head - 0xca], end)
    else if (head >= 0xd4 && head < 0xd9) this.#extension(1 << (head - 0xd4), end, depth)
    else if (head >= 0xd9 && head < 0xdc) this.#skip(this.#length(head - 0xd9, end), end)
    else if (head >= 0xdc && head < 0xde) return this.#length(head - 0xdb, end)
    else if (head >= 0xde) return 2 * this.#length(head - 0xdd, end)
    return 0
  }

  /** Walks through one value that ends at `end`, nested in `depth` tables, lists and maps. */
  value(end: number, depth: number): void {
    /** Values still to come in each open list or map. */
    const open: number[] = []
    let owed = 1
    while (owed > 0) {
      if (this.#at >= end) throw refusal('is cut off')
      owed--
      this.#count(1)
      const inside = this.#content(this.#bytes[this.#at++], end, depth + open.length)
      owed += inside
      if (owed > end - this.#at) throw refusal('is cut off, or claims more than it holds')
      if (open.length > 0) open[open.length - 1]--
      if (inside > 0) open.push(inside)
      else while (open.length > 0 && open[open.length - 1] === 0) open.pop()
      if (depth + open.length > deepest) throw refusal(`is nested deeper than ${deepest} levels`)
    }
    if (this.#at !== end) throw refusal('has bytes after its end')
  }
}

/**
 * Checks a frame before decoding. Throws a RangeError if it claims more than its bytes can hold, is truncated, has
 * bytes after its end, is nested deeper than `deepest`, or has more than `mostValues` values.
 */
export const checkFrame = (bytes: Uint8Array, mostValues = Infinity): void =>
  new Walk(bytes, mostValues).value(bytes.length, 0)
