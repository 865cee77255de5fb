import { createReadStream } from 'node:fs'
import { SpectroscopeError } from '../../preload/errors'
import { pathText } from '../../preload/issues'
import { faultCode } from './faults'
import { isLfsPointer, pointerRemedy } from './git-lfs'

const chunkBytes = 2 ** 20
/** Limit for a value that is read whole. No valid file has a larger one. */
const largestValue = 2 ** 29

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket, comma, colon] = Buffer.from('"\\{}[],:')
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])
const isSpace = (byte: number): boolean => byte === 32 || byte === 10 || byte === 13 || byte === 9

/**
 * Streaming JSON reader for files that may be longer than a string can be. It steps through objects by key and arrays
 * by entry; single values are parsed whole by JSON.parse. Every `input` error names the file, the place and the
 * remedy.
 */
export class JsonReader {
  #buffer: Buffer = Buffer.alloc(0)
  #at = 0
  /** Bytes of the file before the buffer. */
  #before = 0
  #ended = false
  readonly #path: (string | number)[] = []
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })

  readonly #blocks: AsyncIterator<Buffer>

  /** `blocks` are the bytes of the file; messages use the file's name. */
  constructor(
    readonly file: string,
    blocks: AsyncIterable<Buffer>
  ) {
    this.#blocks = blocks[Symbol.asyncIterator]()
  }

  /** Opens a file, passes it to `read`, and closes it whatever happens. A system error becomes an `input` error. */
  static async read<T>(file: string, read: (reader: JsonReader) => Promise<T>): Promise<T> {
    const blocks = createReadStream(file, { highWaterMark: chunkBytes })
    try {
      return await read(new JsonReader(file, blocks))
    } catch (error) {
      if (error instanceof SpectroscopeError || !(error instanceof Error) || !('code' in error)) throw error
      const what = `${file} cannot be read (${faultCode(error)})`
      const remedy = 'give the path of an existing file, not of a folder'
      throw new SpectroscopeError('input', `${what}; ${remedy}.`, { cause: error })
    } finally {
      blocks.destroy()
    }
  }

  get path(): readonly (string | number)[] {
    return this.#path
  }

  /** Makes an error at the current place, or at `below` within it. */
  fault(what: string, remedy: string, below: readonly PropertyKey[] = []): SpectroscopeError {
    const place = pathText([...this.#path, ...below])
    return new SpectroscopeError('input', `${this.file}: ${place === '' ? '' : `at ${place}, `}${what}; ${remedy}.`)
  }

  #damaged(): SpectroscopeError {
    return this.fault(`it is damaged near byte ${this.#before + this.#at}`, 'get the file again from its source')
  }

  #truncated(): SpectroscopeError {
    return this.fault('the file is truncated', 'copy it again, or export it again')
  }

  /** Keeps the buffer from `#at` on and reads at least as much again. Skips a byte order mark at the start. */
  async #more(): Promise<boolean> {
    if (this.#ended) return false
    const kept = this.#buffer.subarray(this.#at)
    if (kept.length > largestValue) throw this.#damaged()
    const atStart = this.#before + this.#buffer.length === 0
    const parts: Buffer[] = [kept]
    let read = 0
    while (!this.#ended && read < Math.max(byteOrderMark.length, kept.length)) {
      const next = await this.#blocks.next()
      if (next.done === true) this.#ended = true
      else {
        parts.push(next.value)
        read += next.value.length
      }
    }
    if (atStart && isLfsPointer(parts[1] ?? kept, read)) {
      throw new SpectroscopeError('input', `${this.file} is ${pointerRemedy}.`)
    }
    this.#before += this.#at
    this.#buffer = parts.length === 2 && kept.length === 0 ? parts[1] : Buffer.concat(parts)
    const isMarked = atStart && this.#buffer.subarray(0, byteOrderMark.length).equals(byteOrderMark)
    this.#at = isMarked ? byteOrderMark.length : 0
    return read > 0
  }

  /** Next byte other than white space, without consuming it; undefined at the end of the file. */
  async #peek(): Promise<number | undefined> {
    for (;;) {
      while (this.#at < this.#buffer.length && isSpace(this.#buffer[this.#at])) this.#at++
      if (this.#at < this.#buffer.length) return this.#buffer[this.#at]
      if (!(await this.#more())) return undefined
    }
  }

  async #take(byte: number): Promise<void> {
    const next = await this.#peek()
    if (next === undefined) throw this.#truncated()
    if (next !== byte) throw this.#damaged()
    this.#at++
  }

  /** End of the value that starts at `#at`. May reset `#at` to 0 through `#more`. */
  async #endOfValue(): Promise<number> {
    const first = await this.#peek()
    if (first === undefined) throw this.#truncated()
    let [at, depth, inString] = [this.#at, 0, false]
    for (;;) {
      for (; at < this.#buffer.length; at++) {
        const byte = this.#buffer[at]
        if (inString) {
          if (byte === backslash) at++
          else if (byte === quote) {
            inString = false
            if (depth === 0) return at + 1
          }
        } else if (byte === quote) inString = true
        else if (byte === openBrace || byte === openBracket) depth++
        else if (byte === closeBrace || byte === closeBracket) {
          if (depth === 0) return at
          if (--depth === 0) return at + 1
        } else if (depth === 0 && (byte === comma || isSpace(byte) || byte === colon)) return at
      }
      const scanned = at - this.#at
      if (!(await this.#more())) {
        if (depth > 0 || inString || scanned > this.#buffer.length - this.#at) throw this.#truncated()
        return this.#buffer.length
      }
      at = this.#at + scanned
    }
  }

  /** Reads the next value whole. */
  async value(): Promise<unknown> {
    return (await this.valueAndText()).value
  }

  /** Reads the next value whole. Also returns its JSON text. */
  async valueAndText(): Promise<{ readonly value: unknown; readonly text: string }> {
    const end = await this.#endOfValue()
    const bytes = this.#buffer.subarray(this.#at, end)
    let read: { readonly value: unknown; readonly text: string }
    try {
      const text = this.#decoder.decode(bytes)
      read = { value: JSON.parse(text) as unknown, text }
    } catch {
      throw (await this.#isLast(end)) ? this.#truncated() : this.#damaged()
    }
    this.#at = end
    return read
  }

  /**
   * Yields the index of each entry if the file is a single list, or else of each successive value. The caller must
   * read or skip each one.
   */
  async *values(): AsyncGenerator<number> {
    if ((await this.#peek()) === openBracket) yield* this.entries()
    else {
      for (let entry = 0; (await this.#peek()) !== undefined; entry++) {
        this.#path.push(entry)
        yield entry
        this.#path.pop()
      }
    }
    await this.end()
  }

  /** Whether the file ends right after the value that ends at `end`. A truncated number or word looks like this. */
  async #isLast(end: number): Promise<boolean> {
    const length = end - this.#at
    while (this.#at + length >= this.#buffer.length) if (!(await this.#more())) return true
    return false
  }

  async skip(): Promise<void> {
    this.#at = await this.#endOfValue()
  }

  /** Whether the next value is an object. */
  async isObject(): Promise<boolean> {
    return (await this.#peek()) === openBrace
  }

  /** Enters the next object and yields its keys. After each key, the caller must read or skip its value. */
  async *keys(): AsyncGenerator<string> {
    await this.#take(openBrace)
    if ((await this.#peek()) === closeBrace) {
      this.#at++
      return
    }
    const seen = new Set<string>()
    for (;;) {
      const next = await this.#peek()
      if (next !== quote) throw next === undefined ? this.#truncated() : this.#damaged()
      const key = (await this.value()) as string
      await this.#take(colon)
      this.#path.push(key)
      if (seen.has(key)) throw this.fault('this key occurs twice', 'get the file again from its source')
      seen.add(key)
      yield key
      this.#path.pop()
      if (await this.#goesOn(closeBrace)) continue
      return
    }
  }

  /** Enters the next array and yields the index of each entry. The caller must read or skip each one. */
  async *entries(): AsyncGenerator<number> {
    const first = await this.#peek()
    if (first !== undefined && first !== openBracket)
      throw this.fault('a list is expected', 'get the file again from its source')
    await this.#take(openBracket)
    if ((await this.#peek()) === closeBracket) {
      this.#at++
      return
    }
    for (let entry = 0; ; entry++) {
      this.#path.push(entry)
      yield entry
      this.#path.pop()
      if (!(await this.#goesOn(closeBracket))) return
    }
  }

  async #goesOn(closing: number): Promise<boolean> {
    const next = await this.#peek()
    if (next === undefined) throw this.#truncated()
    this.#at++
    if (next === comma) return true
    if (next === closing) return false
    this.#at--
    throw this.#damaged()
  }

  /** Throws unless only white space is left. */
  async end(): Promise<void> {
    if ((await this.#peek()) !== undefined) throw this.#damaged()
  }
}
