type Numbers = Int32Array | Float32Array

/** A growing list of numbers. */
export class GrowingArray<T extends Numbers> {
  #values: T
  length = 0

  constructor(private readonly Kind: new (length: number) => T) {
    this.#values = new Kind(1024)
  }

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new this.Kind(2 * this.length)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.length++] = value
  }

  get values(): T {
    return this.#values.subarray(0, this.length) as T
  }
}
