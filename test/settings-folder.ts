import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Gives all tests, and the programs that they start, settings of their own in place of this person's. */
export default (): (() => void) => {
  const folder = mkdtempSync(join(tmpdir(), 'spectroscope-settings-'))
  process.env['SPECTROSCOPE_SETTINGS'] = folder
  return () => rmSync(folder, { recursive: true, force: true })
}
