import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Gives tests, and the programs that they start, settings in place of this person's, and engines for tests. */
export default (): (() => void) => {
  const folder = mkdtempSync(join(tmpdir(), 'spectroscope-settings-'))
  process.env['SPECTROSCOPE_SETTINGS'] = folder
  process.env['SPECTROSCOPE_TEST_ENGINES'] = '1'
  return () => rmSync(folder, { recursive: true, force: true })
}
