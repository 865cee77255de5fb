import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'
import { makeFolder, writeFileAtomically } from '../base/files'
import { checkFile, readSection, sectionBlocks, withFile } from '../base/section-file'

const magic = 'SPECSMPL'
const version = 2
const format = { magic, version }

/** Header of a checkpoint; `state` belongs to the sampler. */
export interface CheckpointHeader<S> {
  readonly fingerprint: string
  readonly sequence: number
  readonly state: S
}

/** The time between checkpoints is at least this many times the duration of writing one. */
const patience = 10

/** Says when the next checkpoint is due: `everySeconds` after the last, or later if writing takes long. */
export class CheckpointClock {
  readonly #everySeconds: number
  #savedAt = performance.now()
  #took = 0

  constructor(everySeconds: number) {
    this.#everySeconds = everySeconds
  }

  get isDue(): boolean {
    return performance.now() - this.#savedAt >= Math.max(this.#everySeconds * 1000, patience * this.#took)
  }

  async during(save: () => Promise<void>): Promise<void> {
    const start = performance.now()
    await save()
    this.#savedAt = performance.now()
    this.#took = this.#savedAt - start
  }
}

const slotPath = (folder: string, sequence: number): string => join(folder, `sampling-${sequence % 2}.checkpoint`)

/**
 * Replaces the older of the two stored checkpoints atomically, so the newer one stays readable throughout. Throws a
 * `storage` error if it cannot be written.
 */
export const writeCheckpoint = async <S>(
  folder: string,
  header: CheckpointHeader<S>,
  sections: readonly ArrayBufferView[]
): Promise<void> => {
  try {
    await makeFolder(folder)
    await writeFileAtomically(slotPath(folder, header.sequence), sectionBlocks(format, header, sections))
  } catch (error) {
    if (!(error instanceof SpectroscopeError)) throw error
    throw new SpectroscopeError(
      'storage',
      `${error.message.replace(/\.$/, '')}; sampling stopped at its last checkpoint; resume the run once fixed.`,
      { cause: error }
    )
  }
}

/** Removes temporary files of a killed writer. */
export const removeLeftovers = async (folder: string): Promise<void> => {
  const names = await readdir(folder).catch(() => [])
  for (const name of names) if (/^\.sampling-.*\.tmp$/.test(name)) await rm(join(folder, name), { force: true })
}

/** Complete checkpoints with this fingerprint, newest first, and where their sections begin and end. */
const wholeCheckpoints = async <S>(
  folder: string,
  fingerprint: string
): Promise<(CheckpointHeader<S> & { readonly path: string; readonly start: number; readonly end: number })[]> => {
  const found = await Promise.all(
    [0, 1].map(async (slot) => {
      const path = slotPath(folder, slot)
      const header = await withFile(path, async (file) => {
        const { header: text, start, end } = await checkFile(file, format)
        return { start, end, ...(JSON.parse(text.toString()) as CheckpointHeader<S>) }
      })
      return header === null || header.fingerprint !== fingerprint ? [] : [{ path, ...header }]
    })
  )
  return found.flat().sort((a, b) => b.sequence - a.sequence)
}

/** The sampler's state in the newest complete checkpoint with this fingerprint, or null. */
export const readState = async <S>(folder: string, fingerprint: string): Promise<S | null> =>
  (await wholeCheckpoints<S>(folder, fingerprint))[0]?.state ?? null

/**
 * Fills the sections from the newest complete checkpoint with this fingerprint. Returns its header, or null if there
 * is none. `sectionsOf` lists the arrays in the order they were written.
 */
export const readCheckpoint = async <S>(
  folder: string,
  fingerprint: string,
  sectionsOf: (state: S) => readonly ArrayBufferView[]
): Promise<CheckpointHeader<S> | null> => {
  for (const { path, start, end, ...header } of await wholeCheckpoints<S>(folder, fingerprint)) {
    const sections = sectionsOf(header.state)
    if (end - start !== sections.reduce((sum, { byteLength }) => sum + byteLength, 0)) continue
    const filled = await withFile(path, async (file) => {
      let position = start
      for (const section of sections) {
        await readSection(file, position, section)
        position += section.byteLength
      }
      return true
    })
    if (filled === null)
      throw new SpectroscopeError(
        'storage',
        `${path} cannot be read completely; make it readable, or delete it to resume from an earlier checkpoint.`
      )
    return header
  }
  return null
}
