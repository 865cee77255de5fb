import { homedir } from 'node:os'
import { join } from 'node:path'

const given = (name: string): string | undefined => {
  const value = process.env[name]
  return value === undefined || value === '' ? undefined : value
}

/** This user's settings folder, shared by the desktop shell and `serve`. SPECTROSCOPE_SETTINGS overrides it. */
export const settingsFolder = (): string => {
  const own = given('SPECTROSCOPE_SETTINGS')
  if (own !== undefined) return own
  if (process.platform === 'win32')
    return join(given('APPDATA') ?? join(homedir(), 'AppData', 'Roaming'), 'Spectroscope')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'Spectroscope')
  return join(given('XDG_CONFIG_HOME') ?? join(homedir(), '.config'), 'spectroscope')
}

/**
 * Folder for downloaded files that engines need. It is separate from the program's own folder, which may be read-only
 * or replaced by an update. SPECTROSCOPE_ENGINES overrides it.
 */
export const enginesFolder = (): string => {
  const own = given('SPECTROSCOPE_ENGINES')
  if (own !== undefined) return own
  if (process.platform === 'win32')
    return join(given('LOCALAPPDATA') ?? join(homedir(), 'AppData', 'Local'), 'Spectroscope', 'engines')
  if (process.platform === 'darwin') {
    return join(homedir(), 'Library', 'Application Support', 'Spectroscope', 'engines')
  }
  return join(given('XDG_DATA_HOME') ?? join(homedir(), '.local', 'share'), 'spectroscope', 'engines')
}
