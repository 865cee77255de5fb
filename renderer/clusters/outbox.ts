import { z } from 'zod'
import { annotationChangeSchema, messageOf } from '../../preload/contract'
import type { AppState, RunEntry } from '../../preload/contract'
import type { Client } from '../client'
import { plural } from '../ui/format'

const unsentSchema = z.object({
  workspace: z.string(),
  run: z.string(),
  clustering: z.int().min(1),
  step: z.object({
    id: z.string(),
    changes: z.array(annotationChangeSchema),
    words: z.string(),
    signature: z.object({ author: z.string(), changedAt: z.string() })
  })
})
/** A labelling step that the program has not confirmed. */
export type Unsent = z.output<typeof unsentSchema>

const fileFormat = 'spectroscope-unsent-labels'
const fileSchema = z.object({ format: z.literal(fileFormat), version: z.literal(1), labels: z.array(unsentSchema) })

/** Each step has its own entry, so that windows of one address do not overwrite each other's. */
const prefix = 'spectroscope.unsent '

export const keepUnsent = (unsent: Unsent): void => {
  try {
    localStorage.setItem(prefix + unsent.step.id, JSON.stringify(unsent))
  } catch {
    // Without storage the steps last as long as the window.
  }
}

export const dropUnsent = (id: string): void => localStorage.removeItem(prefix + id)

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Steps stored in this browser for this address, oldest first. */
export const allUnsent = (): Unsent[] =>
  Object.keys(localStorage)
    .flatMap((key) =>
      key.startsWith(prefix) ? (unsentSchema.safeParse(parse(localStorage.getItem(key) ?? '')).data ?? []) : []
    )
    .sort((a, b) => a.step.signature.changedAt.localeCompare(b.step.signature.changedAt))

/** Text of a file with unsent labels, for a window of another address. */
export const unsentText = (): string => `${JSON.stringify({ format: fileFormat, version: 1, labels: allUnsent() })}\n`

/** Labels from the text of a file of unsent labels; undefined for other files. */
export const unsentIn = (text: string): readonly Unsent[] | undefined => fileSchema.safeParse(parse(text)).data?.labels

/** Receiver of unsent labels. */
interface Receiver {
  readonly client: Client
  readonly state: AppState | null
  readonly runs: readonly RunEntry[] | null
  /** Number of labels still stored in this browser. */
  unsent: number
  tell(kind: 'done' | 'error', words: string): void
}

/** Sends stored steps of the open workspace. The program ignores steps that it has already done. */
export const sendUnsent = async (workbench: Receiver): Promise<void> => {
  const there = new Set(workbench.runs?.map(({ id }) => id))
  let sent = 0
  for (const {
    workspace,
    run,
    clustering,
    step: { id, changes, words }
  } of allUnsent()) {
    if (workspace !== workbench.state?.workspace || !there.has(run)) continue
    try {
      await workbench.client.labels.apply({ run, clustering, changes, words, id })
      dropUnsent(id)
      sent++
    } catch (error) {
      workbench.tell('error', `Could not ${words}: ${messageOf(error)} This browser keeps it.`)
      break
    }
  }
  workbench.unsent = allUnsent().length
  if (sent > 0) workbench.tell('done', `${plural(sent, 'unsent label')} saved.`)
}

/** Imports unsent labels from a file; returns whether it was such a file. */
export const takeUnsentFile = async (workbench: Receiver, file: File): Promise<boolean> => {
  const labels = file.size < 64 * 2 ** 20 ? unsentIn(await file.text()) : undefined
  const workspace = workbench.state?.workspace
  if (labels === undefined) return false
  if (workspace === null || workspace === undefined) {
    workbench.tell(
      'error',
      `${file.name} contains labels, but no workspace is open. Open their workspace, then the file again.`
    )
    return true
  }
  const there = new Set(workbench.runs?.map(({ id }) => id))
  const missing = labels.filter(({ run }) => !there.has(run)).length
  for (const label of labels) if (there.has(label.run)) keepUnsent({ ...label, workspace })
  if (missing > 0)
    workbench.tell(
      'error',
      `${plural(missing, 'label')} of ${file.name} cannot be sent: their run is not in this workspace. Open the ` +
        'workspace of the run.'
    )
  await sendUnsent(workbench)
  return true
}
