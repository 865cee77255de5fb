const firstSlots = 1 << 12

const grown = (array: Int32Array, length: number): Int32Array => {
  const larger = new Int32Array(length)
  larger.set(array)
  return larger
}

/** Hash table of pairs of numbers. Each pair has a count, and an ordinal in order of insertion. */
export class PairTable {
  /** Ordinals by hash; -1 marks an empty slot. At most half of the slots are used. */
  #slots: Int32Array = new Int32Array(firstSlots).fill(-1)
  #a: Int32Array = new Int32Array(firstSlots / 2)
  #b: Int32Array = new Int32Array(firstSlots / 2)
  /** Count of each pair, by ordinal. */
  counts: Int32Array = new Int32Array(firstSlots / 2)
  size = 0

  /** Ordinal of a pair, or -1. */
  find(a: number, b: number): number {
    return this.#slots[this.#slotOf(a, b)]
  }

  /** Ordinal of a pair. A new pair is added with count 0. */
  ordinalOf(a: number, b: number): number {
    const slot = this.#slotOf(a, b)
    if (this.#slots[slot] >= 0) return this.#slots[slot]
    this.#a[this.size] = a
    this.#b[this.size] = b
    this.counts[this.size] = 0
    this.#slots[slot] = this.size++
    if (2 * this.size === this.#slots.length) this.#grow()
    return this.size - 1
  }

  pairAt(ordinal: number): readonly [number, number] {
    return [this.#a[ordinal], this.#b[ordinal]]
  }

  clear(): void {
    this.#slots.fill(-1)
    this.size = 0
  }

  /** Slot of a pair, or the empty slot where it belongs. */
  #slotOf(a: number, b: number): number {
    const mixed = Math.imul(Math.imul(a, 0x9e3779b1) ^ b, 0x85ebca6b)
    const mask = this.#slots.length - 1
    let slot = (Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35) >>> 7) & mask
    for (;;) {
      const ordinal = this.#slots[slot]
      if (ordinal < 0 || (this.#a[ordinal] === a && this.#b[ordinal] === b)) return slot
      slot = (slot + 1) & mask
    }
  }

  #grow(): void {
    this.#a = grown(this.#a, 2 * this.size)
    this.#b = grown(this.#b, 2 * this.size)
    this.counts = grown(this.counts, 2 * this.size)
    this.#slots = new Int32Array(4 * this.size).fill(-1)
    for (let ordinal = 0; ordinal < this.size; ordinal++) {
      this.#slots[this.#slotOf(this.#a[ordinal], this.#b[ordinal])] = ordinal
    }
  }
}
