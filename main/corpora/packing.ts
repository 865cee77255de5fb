import type { CorpusConfiguration } from '../../preload/configuration'
import { leftOutWords } from '../../preload/corpus-contents'
import type { CorpusContents } from '../../preload/corpus-contents'
import { SpectroscopeError } from '../../preload/errors'
import type { DocumentRecord, RowProvenance, Segment } from '../../preload/records'
import type { Tokenizer } from '../models/tokenizer'
import { readCorpus } from './readers'
import { CorpusTally } from './tally'

/** A growing list of unsigned integers below 2³². */
class Words {
  #words: Uint16Array | Uint32Array
  length = 0

  constructor(wide: boolean) {
    this.#words = wide ? new Uint32Array(1024) : new Uint16Array(1024)
  }

  push(values: ArrayLike<number>): void {
    const needed = this.length + values.length
    if (needed > this.#words.length) {
      const size = Math.max(needed, Math.ceil(this.#words.length * 1.5))
      const larger = this.#words instanceof Uint32Array ? new Uint32Array(size) : new Uint16Array(size)
      larger.set(this.#words.subarray(0, this.length))
      this.#words = larger
    }
    this.#words.set(values, this.length)
    this.length = needed
  }

  at(index: number): number {
    return this.#words[index]
  }

  slice(start: number, end: number): Int32Array {
    return Int32Array.from(this.#words.subarray(start, end))
  }
}

/** Documents of one subset, joined by the end-of-text token. */
export interface PackedSubset {
  readonly name: string
  readonly documents: number
  readonly tokens: number
  /** Number of whole rows. The remainder at the end of the stream is dropped. */
  readonly rows: number
  /** Token ids of a row. */
  row(index: number): Int32Array
  /** Documents that a row's tokens come from. */
  provenance(index: number): RowProvenance
}

export interface PackedCorpus {
  readonly rowLength: number
  /** False if `enough` stopped the reading. */
  readonly complete: boolean
  /** Statistics of the files read so far. */
  readonly contents: CorpusContents
  /** Sorted by name, in code point order. */
  readonly subsets: readonly PackedSubset[]
  /** Record of a document, by its number in reading order across subsets. */
  document(id: number): DocumentRecord
}

class Stream implements PackedSubset {
  readonly #ids: Words
  /** Position in the stream of each document's first token. */
  readonly #starts: number[] = []
  /** Number of each document in reading order. */
  readonly #numbers = new Words(true)

  constructor(
    readonly name: string,
    private readonly rowLength: number,
    vocabulary: number,
    private readonly beginOfRow: number | undefined
  ) {
    this.#ids = new Words(vocabulary > 65536)
  }

  /** Tokens of the stream in a row. */
  get #stride(): number {
    return this.beginOfRow === undefined ? this.rowLength : this.rowLength - 1
  }

  add(number: number, ids: readonly number[], endOfText: number): void {
    if (this.#starts.length > 0) this.#ids.push([endOfText])
    this.#starts.push(this.#ids.length)
    this.#numbers.push([number])
    this.#ids.push(ids)
  }

  get documents(): number {
    return this.#starts.length
  }

  get tokens(): number {
    return this.#ids.length
  }

  get rows(): number {
    return Math.floor(this.#ids.length / this.#stride)
  }

  row(index: number): Int32Array {
    const ids = this.#ids.slice(index * this.#stride, (index + 1) * this.#stride)
    return this.beginOfRow === undefined ? ids : Int32Array.of(this.beginOfRow, ...ids)
  }

  provenance(index: number): RowProvenance {
    const start = index * this.#stride
    const before = this.rowLength - this.#stride
    const segments: Segment[] = []
    for (
      let document = this.#documentAt(start);
      document < this.documents && this.#starts[document] < start + this.#stride;
      document++
    ) {
      const at = this.#starts[document]
      segments.push({
        start: before + Math.max(at - start, 0),
        document: this.#numbers.at(document),
        offset: Math.max(start - at, 0)
      })
    }
    return { subset: this.name, segments }
  }

  /** The last document that starts at or before a position. The end-of-text token after a document belongs to it. */
  #documentAt(place: number): number {
    let [low, high] = [0, this.#starts.length]
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.#starts[middle] <= place) low = middle
      else high = middle
    }
    return low
  }
}

export interface PackingInput {
  readonly corpus: CorpusConfiguration
  readonly baseFolder: string
  readonly tokenizer: Tokenizer
  /** The model knows the ids below this number. */
  readonly vocabulary: number
  readonly endOfText: number
  /** The token that every row begins with, before those of the stream. */
  readonly beginOfRow?: number | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /** Called after every document. Reading stops when it returns true. */
  readonly enough?: (() => boolean) | undefined
}

const encodeDocument = (tokenizer: Tokenizer, text: string, place: string): number[] => {
  try {
    return tokenizer.encode(text)
  } catch (error) {
    if (!(error instanceof SpectroscopeError)) throw error
    throw new SpectroscopeError(error.kind, `${place}: ${error.message}`, { cause: error })
  }
}

/**
 * Tokenises a corpus and joins each subset's documents, in reading order, with the end-of-text token between them,
 * ready to be cut into rows of `rowLength` ids, the first of which is `beginOfRow` if there is one. Only ids stay in
 * memory, not texts.
 *
 * A row's segment starts at a document's first token in that row; its `offset` is the index of that token in the
 * document. The end-of-text token after a document of n tokens has offset n. A row's `beginOfRow` is in no segment.
 * Throws an `input` error for an empty corpus and for ids that the model does not know.
 */
export const packCorpus = async ({
  corpus,
  baseFolder,
  tokenizer,
  vocabulary,
  endOfText,
  beginOfRow,
  onProgress,
  enough = () => false
}: PackingInput): Promise<PackedCorpus> => {
  const foreignId = (place: string, id: number): SpectroscopeError =>
    new SpectroscopeError(
      'input',
      `${place}: the tokenizer gives "${tokenizer.tokenText(id)}" the id ${id}, ` +
        `but the model's vocabulary ends at ${vocabulary - 1}; use the tokenizer.json that belongs to the model.`
    )
  if (beginOfRow !== undefined && beginOfRow >= vocabulary) throw foreignId('"corpus.prependBos"', beginOfRow)
  if (endOfText < 0 || endOfText >= vocabulary) {
    const source = '"<|endoftext|>" of tokenizer.json, or else "eos_token_id" of config.json'
    const last = vocabulary - 1
    const fault = `Documents are joined by the token ${endOfText} (${source}), and the vocabulary ends at ${last}`
    throw new SpectroscopeError('input', `${fault}; set "eos_token_id" to the token that ended documents in training.`)
  }
  const streams = new Map<string, Stream>()
  const files: string[] = []
  const subsets: Stream[] = []
  const [fileOf, recordOf, subsetOf] = [new Words(true), new Words(true), new Words(true)]
  const subsetNumbers = new Map<string, number>()
  const tally = new CorpusTally()
  let complete = true
  for await (const { text, subset, file, record } of readCorpus(corpus, baseFolder, onProgress, tally)) {
    const ids = encodeDocument(tokenizer, text, `${file}, record ${record}`)
    const foreign = ids.find((id) => id >= vocabulary)
    if (foreign !== undefined) throw foreignId(`${file}, record ${record}`, foreign)
    let stream = streams.get(subset)
    if (stream === undefined) {
      stream = new Stream(subset, corpus.rowLength, vocabulary, beginOfRow)
      streams.set(subset, stream)
      subsetNumbers.set(subset, subsets.length)
      subsets.push(stream)
    }
    if (files.at(-1) !== file) files.push(file)
    stream.add(fileOf.length, ids, endOfText)
    fileOf.push([files.length - 1])
    recordOf.push([record])
    subsetOf.push([subsetNumbers.get(subset)!])
    complete = !enough()
    if (!complete) break
  }
  const { contents } = tally
  if (subsets.length === 0) {
    const others = leftOutWords(contents)
    const files = corpus.files.slice(0, 8).join(', ')
    const why = `${files} hold no document that is more than white space${others === '' ? '' : ` (${others})`}`
    throw new SpectroscopeError('input', `The corpus has no text: ${why}; correct "corpus.files".`)
  }
  return {
    rowLength: corpus.rowLength,
    complete,
    contents,
    subsets: [...subsets].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))),
    document: (id) => ({
      id,
      file: files[fileOf.at(id)],
      record: recordOf.at(id),
      subset: subsets[subsetOf.at(id)].name
    })
  }
}
