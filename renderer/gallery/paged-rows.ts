import { Lru } from './lru'

/** Consecutive rows, and the total number of rows. */
export interface Page<T> {
  readonly total: number
  readonly rows: readonly T[]
}

interface Options<T> {
  readonly pageSize: number
  readonly load: (offset: number, limit: number) => Promise<Page<T>>
  /** Called when rows arrive or a page fails. */
  readonly changed: () => void
  /** Total number of rows, if known before the first page. */
  readonly total?: number
  /** Number of pages to keep, those seen last. */
  readonly keep?: number
}

const mostAtOnce = 2

/**
 * Rows read page by page as they come into view. A page that leaves the view before its turn is never requested; the
 * page after those in view is read ahead.
 */
export class PagedRows<T> {
  readonly #options: Options<T>
  readonly #pages: Lru<number, readonly T[]>
  readonly #underWay = new Map<number, Promise<void>>()
  #wanted: readonly number[] = []
  total: number | null
  failure: Error | null = null

  constructor(options: Options<T>) {
    this.#options = options
    this.#pages = new Lru(options.keep ?? 80)
    this.total = options.total ?? null
  }

  /** The row at a place; undefined if it is not loaded. */
  at(place: number): T | undefined {
    const { pageSize } = this.#options
    return this.#pages.peek(Math.floor(place / pageSize))?.[place % pageSize]
  }

  /** Reads the pages of rows `first` to `last`, which are in view, then the next page. */
  want(first: number, last: number): void {
    const { pageSize } = this.#options
    const lastPage = this.total === null ? 0 : Math.floor(Math.max(0, this.total - 1) / pageSize)
    const pages: number[] = []
    for (
      let page = Math.floor(Math.max(0, first) / pageSize);
      page <= Math.min(lastPage, Math.floor(last / pageSize) + 1);
      page++
    ) {
      if (this.#pages.get(page) === undefined) pages.push(page)
    }
    this.#wanted = pages
    this.#work()
  }

  /** Resolves when the first page has arrived; rejects if it cannot be read. */
  async first(): Promise<void> {
    if (this.#pages.peek(0) !== undefined) return
    this.#wanted = [0, ...this.#wanted.filter((page) => page !== 0)]
    await (this.#underWay.get(0) ?? this.#read(0))
    if (this.#pages.peek(0) === undefined && this.failure !== null) throw this.failure
  }

  get started(): boolean {
    return this.#pages.peek(0) !== undefined
  }

  retry(): void {
    this.failure = null
    this.#work()
  }

  #work(): void {
    if (this.failure !== null) return
    for (const page of this.#wanted) {
      if (this.#underWay.size >= mostAtOnce) return
      if (!this.#underWay.has(page) && this.#pages.peek(page) === undefined) void this.#read(page)
    }
  }

  #read(page: number): Promise<void> {
    const { pageSize, load, changed } = this.#options
    const reading = (async () => {
      try {
        const { total, rows } = await load(page * pageSize, pageSize)
        this.total = total
        this.failure = null
        this.#pages.set(page, rows)
        this.#wanted = this.#wanted.filter((other) => other !== page)
      } catch (error) {
        this.failure = error instanceof Error ? error : new Error(String(error))
      } finally {
        this.#underWay.delete(page)
      }
      changed()
      this.#work()
    })()
    this.#underWay.set(page, reading)
    return reading
  }
}
