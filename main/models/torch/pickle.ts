import { globalOf, refusalOf } from './globals'
import { built, Named, PickleFault, storageOf, UnfinishedPickle, type Storage } from './objects'

/** Steps of one pickle; a tensor takes some forty. */
const mostSteps = 20_000_000
/** Lists, tuples and dictionaries of one pickle. */
const mostContainers = 1_000_000
const deepestMarks = 1000

const ascii = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

export interface Unpickled {
  readonly value: unknown
  /** Storages that it names, in order; one that it names twice is there twice. */
  readonly storages: readonly Storage[]
  /** Where the pickle ends. */
  readonly end: number
}

/** Runs the steps of a pickle on a stack of plain values: texts, numbers, arrays, Maps, storages, tensors. */
class Machine {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at: number
  #stack: unknown[] = []
  readonly #marks: unknown[][] = []
  readonly #memo = new Map<number, unknown>()
  readonly #storages: Storage[] = []
  #containers = 0

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#at = start
  }

  run(): Unpickled {
    for (let steps = 0; steps < mostSteps; steps++) {
      const code = this.#number(1)
      if (code === 0x2e) {
        if (this.#marks.length > 0) throw new PickleFault('its pickle ends within a list')
        return { value: this.#pop(), storages: this.#storages, end: this.#at }
      }
      this.#step(code)
    }
    throw new PickleFault(`its pickle takes more than ${mostSteps.toLocaleString('en')} steps`)
  }

  #take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw new UnfinishedPickle()
    return this.#bytes.subarray(this.#at, (this.#at += length))
  }

  /** A little-endian whole number of 1, 2, 4 or 8 bytes without sign. */
  #number(width: 1 | 2 | 4 | 8): number {
    const at = this.#at
    this.#take(width)
    switch (width) {
      case 1:
        return this.#bytes[at]
      case 2:
        return this.#view.getUint16(at, true)
      case 4:
        return this.#view.getUint32(at, true)
      default:
        return Number(this.#view.getBigUint64(at, true))
    }
  }

  /** Bytes up to the end of the line. */
  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at)
    if (end < 0) throw new UnfinishedPickle()
    const text = ascii(this.#take(end - this.#at))
    this.#at++
    return text
  }

  #text(width: 1 | 4 | 8): string {
    return Buffer.from(this.#take(this.#number(width))).toString('utf8')
  }

  #pop(): unknown {
    if (this.#stack.length === 0) throw new PickleFault('its pickle takes more values than it has')
    return this.#stack.pop()
  }

  #top(): unknown {
    const value = this.#pop()
    this.#stack.push(value)
    return value
  }

  #container<T>(value: T, holds = 1): T {
    if ((this.#containers += holds) > mostContainers)
      throw new PickleFault(`its pickle holds more than ${mostContainers.toLocaleString('en')} lists`)
    return value
  }

  /** Values since the last mark. */
  #sinceMark(): unknown[] {
    const outer = this.#marks.pop()
    if (outer === undefined) throw new PickleFault('a list in its pickle has no beginning')
    const values = this.#stack
    this.#stack = outer
    return values
  }

  #mark(): void {
    if (this.#marks.length === deepestMarks)
      throw new PickleFault(`its pickle is nested deeper than ${deepestMarks.toLocaleString('en')} levels`)
    this.#marks.push(this.#stack)
    this.#stack = []
  }

  #tuple(length: number): unknown[] {
    const values = Array.from({ length }, () => this.#pop())
    return this.#container(values.reverse())
  }

  #append(values: readonly unknown[]): void {
    const list = this.#top()
    if (!Array.isArray(list)) throw new PickleFault('its pickle appends to what is not a list')
    for (const value of values) list.push(value)
  }

  #setItems(values: readonly unknown[]): void {
    const dictionary = this.#top()
    if (!(dictionary instanceof Map) || values.length % 2 !== 0)
      throw new PickleFault('its pickle sets items of what is not a dictionary')
    for (let i = 0; i < values.length; i += 2) dictionary.set(values[i], values[i + 1])
  }

  #global(module: string, name: string): Named {
    const global = globalOf(module, name)
    if (global === undefined) throw new PickleFault(refusalOf(`${module}.${name}`), true)
    return new Named(global)
  }

  #remember(key: number): void {
    this.#memo.set(key, this.#top())
  }

  #recall(key: number): unknown {
    if (!this.#memo.has(key)) throw new PickleFault('its pickle refers to what it has not kept')
    return this.#memo.get(key)
  }

  /** A whole number of `length` bytes with sign: a number if it is safe, or else a bigint. */
  #long(length: number): number | bigint {
    if (length > 64) throw new PickleFault(`its pickle holds a number of ${length} bytes`)
    const bytes = this.#take(length)
    let value = 0n
    for (let i = length - 1; i >= 0; i--) value = value * 256n + BigInt(bytes[i])
    if (length > 0 && bytes[length - 1] >= 128) value -= 1n << BigInt(8 * length)
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
  }

  /** Does one step. Names of the steps are those of Python's pickletools. */
  #step(code: number): void {
    const value = this.#valueOf(code)
    if (value !== undefined) this.#stack.push(value)
    else if (!this.#changes(code)) {
      const step = `0x${code.toString(16).padStart(2, '0')}`
      throw new PickleFault(`its pickle has the step ${step}, which no state dictionary needs`)
    }
  }

  /** The value that a step adds; undefined if it adds none. */
  #valueOf(code: number): unknown {
    switch (code) {
      case 0x4e: // NONE
        return null
      case 0x88: // NEWTRUE
        return true
      case 0x89: // NEWFALSE
        return false
      case 0x4b: // BININT1
        return this.#number(1)
      case 0x4d: // BININT2
        return this.#number(2)
      case 0x4a: // BININT
        return this.#number(4) | 0
      case 0x8a: // LONG1
        return this.#long(this.#number(1))
      case 0x8b: // LONG4
        return this.#long(this.#number(4))
      case 0x47: // BINFLOAT
        this.#take(8)
        return this.#view.getFloat64(this.#at - 8)
      case 0x58: // BINUNICODE
        return this.#text(4)
      case 0x8c: // SHORT_BINUNICODE
        return this.#text(1)
      case 0x8d: // BINUNICODE8
        return this.#text(8)
      case 0x54: // BINSTRING
        return this.#text(4)
      case 0x55: // SHORT_BINSTRING
        return this.#text(1)
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        return this.#container([])
      case 0x7d: // EMPTY_DICT
        return this.#container(new Map())
      case 0x74: // TUPLE
        return this.#container(this.#sinceMark())
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#tuple(code - 0x84)
      case 0x68: // BINGET
        return this.#recall(this.#number(1))
      case 0x6a: // LONG_BINGET
        return this.#recall(this.#number(4))
      case 0x63: // GLOBAL
        return this.#global(this.#line(), this.#line())
      case 0x93: // STACK_GLOBAL
        return this.#stackGlobal()
      case 0x52: // REDUCE
        return this.#reduced()
      case 0x51: // BINPERSID
        return this.#storage(this.#pop())
      default:
        return undefined
    }
  }

  #storage(id: unknown): Storage {
    const storage = this.#container(storageOf(id))
    this.#storages.push(storage)
    return storage
  }

  #stackGlobal(): Named {
    const [name, module] = [this.#pop(), this.#pop()]
    if (typeof name !== 'string' || typeof module !== 'string')
      throw new PickleFault('its pickle asks for what has no name')
    return this.#global(module, name)
  }

  #reduced(): unknown {
    const values = this.#container(this.#pop())
    // A dictionary is a copy of its pairs, and a pickle may name the same pairs many times.
    if (Array.isArray(values) && Array.isArray(values[0])) this.#container(values, values[0].length)
    return built(this.#pop(), values)
  }

  /** Does a step that changes what is there; false if there is no such step. */
  #changes(code: number): boolean {
    switch (code) {
      case 0x80: // PROTO
        this.#protocol(this.#number(1))
        return true
      case 0x95: // FRAME
        this.#number(8)
        return true
      case 0x28: // MARK
        this.#mark()
        return true
      case 0x30: // POP
        this.#pop()
        return true
      case 0x61: // APPEND
        this.#append([this.#pop()])
        return true
      case 0x65: // APPENDS
        this.#append(this.#sinceMark())
        return true
      case 0x73: // SETITEM
        this.#setItems([this.#pop(), this.#pop()].reverse())
        return true
      case 0x75: // SETITEMS
        this.#setItems(this.#sinceMark())
        return true
      case 0x62: // BUILD: attributes of a dictionary, such as the _metadata of a state dictionary, are not needed
        this.#pop()
        if (!(this.#top() instanceof Map)) throw new PickleFault('its pickle sets attributes of what has none')
        return true
      case 0x71: // BINPUT
        this.#remember(this.#number(1))
        return true
      case 0x72: // LONG_BINPUT
        this.#remember(this.#number(4))
        return true
      case 0x94: // MEMOIZE
        this.#remember(this.#memo.size)
        return true
      default:
        return false
    }
  }

  #protocol(version: number): void {
    if (version > 5) throw new PickleFault(`its pickle is of version ${version}, and 5 is the latest`)
  }
}

/**
 * Reads one pickle that begins at `start`, without running any of it: names are looked up in the list of `globals.ts`
 * alone. Dictionaries become Maps, lists and tuples arrays, whole numbers beyond 2⁵³ bigints. Throws
 * `UnfinishedPickle` if the bytes end too early, and `PickleFault` for anything else.
 */
export const unpickle = (bytes: Uint8Array, start = 0): Unpickled => new Machine(bytes, start).run()
