import { z } from 'zod'
import { keep, readKept } from '../ui/kept'
import type { NewRunForm } from './new-run.svelte'

const key = 'spectroscope.new-run'
const schema = z.object({ name: z.string(), draft: z.record(z.string(), z.unknown()), baseFolder: z.string() })

/** Restores the form's last content; returns whether there was any. */
export const restoreForm = (form: NewRunForm): boolean => {
  const kept = readKept(key, schema)
  if (kept === undefined) return false
  Object.assign(form, kept)
  return true
}

/** Saves the form's content until the run is started or the form is cleared. */
export const keepForm = (form: NewRunForm): void => {
  const { name, draft, baseFolder } = form
  keep(key, form.isFilled ? { name, draft, baseFolder } : null)
}
