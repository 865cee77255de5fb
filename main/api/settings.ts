import { settingsSchema } from '../../preload/contract'
import type { Notices, Settings } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import { writingError } from '../base/files'
import type { CallHandlers, SettingsFile } from './context'
import type { Reach } from './reach'

type Entries = Readonly<Record<string, unknown>>

export const entriesOf = (file: SettingsFile): Entries => {
  const value = file.get()
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Entries) : {}
}

/** Merges entries into the file. Turns system errors into `storage` errors. */
export const keepEntries = (file: SettingsFile, what: string, changes: Entries): void => {
  try {
    file.set({ ...entriesOf(file), ...changes })
  } catch (error) {
    throw writingError(what, error)
  }
}

type Key = keyof Settings
const settingKeys = Object.keys(settingsSchema.shape) as Key[]

/** Drops entries for names that no command can have. */
const fittingKeys = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const isKey = (entry: [string, unknown]): boolean => fits('keys', Object.fromEntries([entry]))
  return Object.fromEntries(Object.entries(value).filter(isKey))
}

const fits = (key: Key, value: unknown): boolean => settingsSchema.shape[key].safeParse(value).success

/** Reads settings from a file. Invalid entries are replaced by defaults. */
export const readSettings = (file: SettingsFile): Settings => {
  const entries = entriesOf(file)
  const given = settingKeys.map((key) => [key, key === 'keys' ? fittingKeys(entries[key]) : entries[key]] as const)
  return settingsSchema.parse(Object.fromEntries(given.filter(([key, value]) => fits(key, value))))
}

/** Notes for the user about a settings file: that it could not be read, or has invalid values. */
export const settingsNotes = (file: SettingsFile): readonly string[] => {
  const entries = entriesOf(file)
  const odd = settingKeys.filter((key) => !fits(key, entries[key])).map((key) => `"${key}"`)
  const values = odd.length === 1 ? 'has an invalid value' : 'have invalid values'
  const what = `${file.path ?? 'The settings file'}: ${odd.join(', ')} ${values}`
  const sentence = `${what}; the default applies until you choose another.`
  return [...(file.notes ?? []), ...(odd.length === 0 ? [] : [sentence])]
}

export const changeSettings = (file: SettingsFile, changes: Partial<Settings>): Settings => {
  keepEntries(file, 'The settings file', changes)
  return readSettings(file)
}

const mostViewBytes = 256 * 2 ** 10
const mostViews = 1000

/** Calls that store settings and view state. */
export const settingsCalls = (
  settings: SettingsFile,
  views: SettingsFile,
  emit: (name: 'settings', data: Notices['settings']) => void,
  reach: Reach
): Pick<CallHandlers, 'settings' | 'views'> => ({
  settings: {
    change: async ({ changes }) => {
      if (changes.workspace !== undefined && changes.workspace !== '') await reach.check(changes.workspace)
      const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
      const changed = changeSettings(settings, given)
      emit('settings', changed)
      return changed
    }
  },
  views: {
    save: ({ key, value }) => {
      const present = entriesOf(views)
      if (JSON.stringify(value).length > mostViewBytes)
        throw new SpectroscopeError('usage', `The view "${key}" is larger than 256 KiB, so it is not saved.`)
      if (!Object.hasOwn(present, key) && Object.keys(present).length >= mostViews)
        throw new SpectroscopeError('usage', `There are already ${mostViews} saved views, so "${key}" is not saved.`)
      keepEntries(views, 'The views file', { [key]: value })
      return null
    }
  }
})
