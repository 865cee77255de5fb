import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { annotationBodySchema, targetSchema } from '../../preload/contract-annotations'
import type { Annotation, AnnotationBody, AnnotationTarget } from '../../preload/contract-annotations'
import { SpectroscopeError } from '../../preload/errors'
import { isSelection } from '../../preload/label-rules'
import { readingFault } from '../base/faults'
import { backupFormat, backupVersion } from './backups'
import { readJournal } from './journal'

/** Labels of a clustering as stored in a file. */
export interface SavedLabels {
  readonly run: string
  readonly clustering: number
  /** Creation time of the clustering, ISO 8601 in UTC; null if the file does not have it. */
  readonly clusteredAt: string | null
  readonly annotations: readonly Annotation[]
  /**
   * Targets whose labels were cleared according to the file; null if all targets without annotations count as
   * cleared.
   */
  readonly cleared: readonly AnnotationTarget[] | null
}

const backupSchema = z.object({
  format: z.literal(backupFormat),
  version: z.literal(backupVersion),
  writtenAt: z.iso.datetime(),
  clusterings: z.array(
    z.object({
      run: z.string(),
      clustering: z.int().min(1),
      clusteredAt: z.iso.datetime(),
      annotations: z.array(z.strictObject({ target: targetSchema, ...annotationBodySchema.shape }))
    })
  )
})

const parsed = (file: string, text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new SpectroscopeError(
      'input',
      `${file} is not complete JSON, perhaps because it was cut off; give another backup.`,
      { cause: error }
    )
  }
}

/** Reads the labels of all runs in a backup. Throws an `input` error that names the file and the place. */
export const readLabelBackup = async (file: string): Promise<SavedLabels[]> => {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new SpectroscopeError('input', `${file} ${readingFault(error)}; give another backup.`, { cause: error })
  })
  const checked = backupSchema.safeParse(parsed(file, text))
  if (checked.success)
    return checked.data.clusterings.map((one) => ({ ...one, annotations: one.annotations, cleared: null }))
  const { path, message } = checked.error.issues[0]
  throw new SpectroscopeError(
    'input',
    `${file} is not a label backup that this program can read (${path.join('.')}: ${message}); give another one.`
  )
}

/** Final labels according to a journal. Throws an `input` error if it has no readable lines. */
export const readJournalLabels = async (file: string): Promise<SavedLabels[]> => {
  const { lines } = await readJournal(file, readFile)
  if (lines.length === 0)
    throw new SpectroscopeError('input', `${file} contains no readable label changes; give another file.`)
  const clusterings = new Map<
    string,
    { run: string; clustering: number; bodies: Map<AnnotationTarget, AnnotationBody | null> }
  >()
  for (const { line } of lines) {
    if (line.clustering === null) continue
    const key = `${line.run} ${line.clustering}`
    const known = clusterings.get(key) ?? {
      run: line.run,
      clustering: line.clustering,
      bodies: new Map<AnnotationTarget, AnnotationBody | null>()
    }
    clusterings.set(key, known)
    for (const { target, after } of line.changes) {
      // A selection belongs to the run. Its last change counts, whichever clustering that was made in.
      if (isSelection(target))
        for (const other of clusterings.values()) if (other.run === line.run) other.bodies.delete(target)
      known.bodies.set(target, after)
    }
  }
  return [...clusterings.values()].map(({ run, clustering, bodies }) => ({
    run,
    clustering,
    clusteredAt: null,
    annotations: [...bodies].flatMap(([target, body]) => (body === null ? [] : [{ target, ...body }])),
    cleared: [...bodies].flatMap(([target, body]) => (body === null ? [target] : []))
  }))
}
