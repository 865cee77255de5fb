import { contextTexts, documentStarts, withoutPrefix } from '../../preload/tokens-in-context'
import type { DocumentRecord, StudyRecord } from '../../preload/records'
import type { Workspace } from '../store/store'

/** Texts of a study's rows. For exports of every token, for which one query per token would be too slow. */
export class StudyTexts {
  /** Row and position of every token. */
  readonly rows: Int32Array
  readonly positions: Int32Array
  readonly #texts: ReadonlyMap<number, string>
  readonly #documents: ReadonlyMap<number, DocumentRecord>

  constructor(
    readonly study: StudyRecord,
    readonly vocabulary: { readonly ids: Int32Array; readonly texts: readonly string[] },
    private readonly prefix = ''
  ) {
    const tokens = study.targets.reduce((sum, { length }) => sum + length, 0)
    this.rows = new Int32Array(tokens)
    this.positions = new Int32Array(tokens)
    let token = 0
    study.targets.forEach((positions, row) => {
      for (const position of positions) {
        this.rows[token] = row
        this.positions[token++] = position
      }
    })
    this.#texts = new Map(Array.from(vocabulary.ids, (id, i) => [id, vocabulary.texts[i]]))
    this.#documents = new Map(study.documents.map((document) => [document.id, document]))
  }

  static async of(workspace: Workspace, run: string): Promise<StudyTexts> {
    const { provenance } = await workspace.getRun(run)
    return new StudyTexts(await workspace.getStudy(run), await workspace.getTexts(run), provenance.tokenizerPrefix)
  }

  textOf(id: number): string {
    return this.#texts.get(id) ?? `⟨${id}⟩`
  }

  idOf(token: number): number {
    return this.study.probe[this.rows[token]][this.positions[token]]
  }

  /** Texts of a token and of up to `count` token ids on either side, as `contextTexts` makes them. */
  around(token: number, count: number): { readonly text: string; readonly before: string; readonly after: string } {
    const row = this.rows[token]
    const ids = this.study.probe[row]
    const begins = documentStarts(this.prefix === '' ? [] : (this.study.provenance[row]?.segments ?? []))
    const textAt = (at: number): string => withoutPrefix(this.textOf(ids[at]), begins.has(at) ? this.prefix : '')
    const { text, before, after } = contextTexts(ids.length, textAt, this.positions[token], count, count)
    return { text, before: before.join(''), after: after.join('') }
  }

  subsetOf(token: number): string {
    return this.study.provenance[this.rows[token]]?.subset ?? ''
  }

  documentOf(token: number): DocumentRecord | undefined {
    const segment = this.study.provenance[this.rows[token]]?.segments.findLast(
      ({ start }) => start <= this.positions[token]
    )
    return segment === undefined ? undefined : this.#documents.get(segment.document)
  }
}
