import Conf from 'conf'
import type { SettingsFile } from '../api/context'

/** SPECTROSCOPE_SETTINGS names the folder of the two files; otherwise it is the user's folder for settings. */
const fileOf = (configName: string): SettingsFile => {
  const folder = process.env['SPECTROSCOPE_SETTINGS'] ?? ''
  const file = new Conf<Record<string, unknown>>({ projectName: 'spectroscope', projectSuffix: '', configName, clearInvalidConfig: true, ...(folder === '' ? {} : { cwd: folder }) })
  return {
    get: () => file.store,
    set: (value) => {
      file.store = value
    }
  }
}

export const settingsFiles = (): { readonly settings: SettingsFile; readonly views: SettingsFile } => ({ settings: fileOf('settings'), views: fileOf('views') })
