import { contentsWords } from '../../preload/corpus-contents'
import { SpectroscopeError } from '../../preload/errors'
import type { EngineProvenance } from '../../preload/records'
import { checkNeighbours } from './checks'
import { interruption } from './abort-scope'
import type { Prepared } from './messages'
import { preparingProgress } from './progress'
import type { Compute } from './session'
import { counted } from './active-run'
import type { ActiveRun } from './active-run'

/** Reads the model and the rows. Reads them again if the compute process was replaced. */
export class PrepareStage {
  readonly #work: ActiveRun
  #prepared: { readonly by: Compute; readonly what: Prepared } | undefined

  constructor(work: ActiveRun) {
    this.#work = work
  }

  async run(): Promise<void> {
    await this.#work.update({ stage: 'prepare' })
    this.#work.begin('prepare')
    const { modelHash, tokenizerHash, engine, study, texts, tokens, components } = await this.#work.session.use(
      'prepare',
      (compute) => this.prepared(compute)
    )
    checkNeighbours(this.#work.run.configuration, tokens)
    const { hash: studyHash, contents } = study
    if (contents !== undefined) this.#work.options.onEvent({ type: 'note', message: contentsWords(contents) })
    await this.#work.update({
      provenance: {
        modelHash,
        studyHash,
        engine,
        ...(tokenizerHash === null ? {} : { tokenizerHash }),
        ...(texts?.prefix === undefined || texts.prefix === '' ? {} : { tokenizerPrefix: texts.prefix }),
        ...(contents === undefined ? {} : { corpus: contents })
      }
    })
    await this.#work.workspace.transaction(this.#work.run.id, async (writer) => {
      const words = new Map(texts?.words.map((word, at) => [texts.ids[at], word]))
      await writer.saveStudy(study, texts === null ? null : (id) => words.get(id) ?? `<${id}>`)
      await writer.completeStage(this.#work.completed('prepare'))
    })
    await this.#work.update({ stage: 'sample' })
    this.#work.finished(
      'prepare',
      `${counted(tokens)} tokens in ${counted(study.probe.length)} probe rows, ${components.length} ` +
        `components, on ${engine.name}`
    )
  }

  /** Model and rows in a compute process, read again if it is a new process. */
  async prepared(compute: Compute): Promise<Prepared> {
    if (this.#prepared?.by === compute) return this.#prepared.what
    const { signal, onEvent } = this.#work.options
    const off = compute.on('preparing', ({ done, total }) =>
      onEvent({ type: 'progress', progress: preparingProgress(done, total) })
    )
    const stop = (): void => void compute.kill()
    signal.addEventListener('abort', stop, { once: true })
    try {
      const {
        configuration,
        baseFolder,
        provenance: { gathered, engine: known }
      } = this.#work.run
      const what =
        gathered === undefined
          ? await compute.call('prepare', {
              configuration,
              baseFolder,
              engine: this.#work.options.engine ?? known?.name
            })
          : await compute.call('openSet', { folder: gathered.folder, withModel: false })
      this.#checkUnchanged(what)
      await this.#noteEngine(what)
      this.#prepared = { by: compute, what }
      return what
    } catch (error) {
      throw signal.aborted ? interruption(error) : this.#withWayOut(error)
    } finally {
      off()
      signal.removeEventListener('abort', stop)
    }
  }

  #checkUnchanged({ modelHash, tokenizerHash, study, engine }: Prepared): void {
    const { id, provenance: known } = this.#work.run
    const changes = [
      ['The files of the model', known.modelHash, modelHash],
      ['The tokenizer', known.tokenizerHash, tokenizerHash],
      ['The files of the corpus or rows', known.studyHash, study.hash]
    ] as const
    for (const [what, before, now] of changes) {
      if (before !== undefined && before !== now) {
        throw new SpectroscopeError(
          'input',
          `${what} changed since run ${id} started, so it cannot continue; restore the original or start a new run.`
        )
      }
    }
    if (known.engine !== undefined && known.engine.name !== engine.name && this.#work.options.engine === undefined) {
      throw new SpectroscopeError(
        'engine',
        `Run ${id} was started on the engine ${known.engine.name} and would now use ${engine.name}; ` +
          `to accept that, resume it with \`--engine ${engine.name}\`.`
      )
    }
  }

  /** Reports and records when a resumed run changes its engine. */
  async #noteEngine({ engine }: Prepared): Promise<void> {
    const {
      id,
      provenance: { engine: known, enginesBefore = [] }
    } = this.#work.run
    if (known === undefined || this.#work.done('sample')) return
    const words = ({ name, device }: EngineProvenance): string => `${name} (${device})`
    if (words(known) === words(engine)) return
    this.#work.options.onEvent({
      type: 'note',
      message: `Run ${id} started on ${words(known)} and continues on ${words(engine)}.`
    })
    await this.#work.update({
      provenance: { engine, enginesBefore: [...enginesBefore, { ...known, until: new Date().toISOString() }] }
    })
  }

  /** If the run's engine is unavailable, adds to the error how to resume on another one. */
  #withWayOut(error: unknown): unknown {
    const {
      id,
      provenance: { engine }
    } = this.#work.run
    if (
      !(error instanceof SpectroscopeError) ||
      error.kind !== 'engine' ||
      engine === undefined ||
      this.#work.options.engine !== undefined ||
      this.#work.done('sample')
    )
      return error
    if (/--engine /.test(error.message)) return error
    return new SpectroscopeError(
      'engine',
      `Run ${id} needs ${engine.name}, which is not available (${error.message.replace(/\.$/, '')}); ` +
        'fix that and resume, or use another engine with `resume --engine NAME`.',
      { cause: error }
    )
  }
}
