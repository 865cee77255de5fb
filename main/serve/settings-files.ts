import Conf from 'conf'
import type { SettingsFile } from '../api/context'
import { settingsFolder } from '../base/folders'

const fileOf = (configName: string): SettingsFile => {
  const file = new Conf<Record<string, unknown>>({ cwd: settingsFolder(), configName, clearInvalidConfig: true })
  return {
    get: () => file.store,
    set: (value) => {
      file.store = value
    }
  }
}

/** The files that the shell keeps by electron-store, which is the same underneath. */
export const settingsFiles = (): { readonly settings: SettingsFile; readonly views: SettingsFile } => ({ settings: fileOf('settings'), views: fileOf('views') })
