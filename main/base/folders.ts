import { homedir } from 'node:os'
import { join } from 'node:path'

const given = (name: string): string | undefined => {
  const value = process.env[name]
  return value === undefined || value === '' ? undefined : value
}

/** Folder of the program's settings of this person: the same for the shell and for `serve`. SPECTROSCOPE_SETTINGS names another. */
export const settingsFolder = (): string => {
  const own = given('SPECTROSCOPE_SETTINGS')
  if (own !== undefined) return own
  if (process.platform === 'win32')
    return join(given('APPDATA') ?? join(homedir(), 'AppData', 'Roaming'), 'Spectroscope')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'Spectroscope')
  return join(given('XDG_CONFIG_HOME') ?? join(homedir(), '.config'), 'spectroscope')
}

/** Folder of what engines need and a person has had downloaded: it outlives the program's own folder, which may be read-only. SPECTROSCOPE_ENGINES names another. */
export const enginesFolder = (): string => {
  const own = given('SPECTROSCOPE_ENGINES')
  if (own !== undefined) return own
  if (process.platform === 'win32')
    return join(given('LOCALAPPDATA') ?? join(homedir(), 'AppData', 'Local'), 'Spectroscope', 'engines')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'Spectroscope', 'engines')
  return join(given('XDG_DATA_HOME') ?? join(homedir(), '.local', 'share'), 'spectroscope', 'engines')
}
