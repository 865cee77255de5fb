import { settingsSchema } from '../../preload/contract'
import type { Notices, Settings } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import { writingError } from '../base/files'
import type { HandlersOf, SettingsFile } from './context'

type Entries = Readonly<Record<string, unknown>>

export const entriesOf = (file: SettingsFile): Entries => {
  const value = file.get()
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Entries) : {}
}

/** Keeps other entries of the file; a system error becomes a sentence. */
export const keepEntries = (file: SettingsFile, what: string, changes: Entries): void => {
  try {
    file.set({ ...entriesOf(file), ...changes })
  } catch (error) {
    throw writingError(what, error)
  }
}

/** Settings of a file: an entry that does not fit counts as not given. */
export const readSettings = (file: SettingsFile): Settings => {
  const given = Object.entries(settingsSchema.shape).flatMap(([key, schema]) => {
    const parsed = schema.safeParse(entriesOf(file)[key])
    return parsed.success ? [[key, parsed.data] as const] : []
  })
  return settingsSchema.parse(Object.fromEntries(given))
}

export const changeSettings = (file: SettingsFile, changes: Partial<Settings>): Settings => {
  keepEntries(file, 'The file of settings', changes)
  return readSettings(file)
}

const mostViewBytes = 256 * 2 ** 10
const mostViews = 1000

/** Views and settings are small things that a window asks to keep. */
export const settingsCalls = (
  settings: SettingsFile,
  views: SettingsFile,
  emit: (name: 'settings', data: Notices['settings']) => void
): HandlersOf<'settings'> & HandlersOf<'views'> => ({
  'settings.change': ({ changes }) => {
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
    const changed = changeSettings(settings, given)
    emit('settings', changed)
    return changed
  },
  'views.save': ({ key, value }) => {
    const present = entriesOf(views)
    if (JSON.stringify(value).length > mostViewBytes) throw new SpectroscopeError('usage', `The view "${key}" is larger than 256 KiB, so it is not kept.`)
    if (!Object.hasOwn(present, key) && Object.keys(present).length >= mostViews) throw new SpectroscopeError('usage', `There are ${mostViews} views already, so "${key}" is not kept.`)
    keepEntries(views, 'The file of views', { [key]: value })
    return null
  }
})
