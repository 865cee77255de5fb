import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Gives tests, and programs started by them, their own settings, and enables engines for tests. */
export default (): (() => void) => {
  const folder = mkdtempSync(join(tmpdir(), 'spectroscope-settings-'))
  process.env['SPECTROSCOPE_SETTINGS'] = folder
  process.env['SPECTROSCOPE_TEST_ENGINES'] = '1'
  return () => rmSync(folder, { recursive: true, force: true })
}
