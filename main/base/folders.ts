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
  if (process.platform === 'win32') return join(given('APPDATA') ?? join(homedir(), 'AppData', 'Roaming'), 'Spectroscope')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'Spectroscope')
  return join(given('XDG_CONFIG_HOME') ?? join(homedir(), '.config'), 'spectroscope')
}
