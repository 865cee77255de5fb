import type { CorpusContents, CorpusFiles, LeftOut } from '../../preload/corpus-contents'
import type { LeftOutFile } from './files'
import type { CorpusFile } from './corpus-file'

/** Number of names kept per reason. A folder may hold any number of files. */
const mostNames = 20
/** Number of kinds of files counted separately. */
const mostKinds = 50

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** Counts what the files of a corpus yield, as they are read. */
export class CorpusTally {
  readonly #read = new Map<string, Writable<CorpusFiles>>()
  readonly #leftOut = new Map<string, { count: number; readonly names: string[] }>()
  #blank = 0

  leaveOut({ name, why }: LeftOutFile): void {
    const group = this.#leftOut.get(why) ?? { count: 0, names: [] }
    this.#leftOut.set(why, group)
    group.count++
    if (group.names.length < mostNames) group.names.push(name)
  }

  /** Counts a file. Returns a function that counts each of its documents. */
  addFile({ kind, extension }: CorpusFile): (blank: boolean) => void {
    const own = `${kind} ${extension}`
    const key = this.#read.has(own) || this.#read.size < mostKinds ? own : kind
    const known = this.#read.get(key) ?? { kind, extension: key === own ? extension : '', files: 0, documents: 0 }
    this.#read.set(key, known)
    known.files++
    return (blank) => {
      if (blank) this.#blank++
      else known.documents++
    }
  }

  get contents(): CorpusContents {
    const leftOut = [...this.#leftOut].map(([why, { count, names }]): LeftOut => ({ why, count, names: [...names] }))
    return { read: [...this.#read.values()].map((files) => ({ ...files })), blank: this.#blank, leftOut }
  }
}
