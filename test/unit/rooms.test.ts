import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Linter } from 'eslint'
import { parser } from 'typescript-eslint'
import { afterAll, describe, expect, it } from 'vitest'
import rule from '../../tools/eslint-rooms.js'

const project = mkdtempSync(join(tmpdir(), 'rooms-'))
afterAll(() => rmSync(project, { recursive: true, force: true }))

for (const room of ['engine/core', 'engine/devices/tfjs']) {
  mkdirSync(join(project, 'main', room), { recursive: true })
  writeFileSync(join(project, 'main', room, 'index.ts'), '')
}
// The program's entry makes no room of all of main/.
writeFileSync(join(project, 'main', 'index.ts'), '')

const linter = new Linter({ cwd: project })

const complaints = (filename: string, code: string): string[] =>
  linter
    .verify(
      code,
      [
        {
          files: ['**/*.ts'],
          languageOptions: { parser },
          plugins: { own: { rules: { rooms: rule } } },
          rules: { 'own/rooms': 'error' }
        }
      ],
      { filename: join(project, filename) }
    )
    .map(({ message }) => message)

const allowed: [string, string][] = [
  ['main/sampling/rows.ts', "import { areLong } from '../engine/core'"],
  ['main/sampling/rows.ts', "import { areLong } from '../engine/core/index'"],
  ['main/sampling/rows.ts', "import { hasDevice } from '../engine/engines'"],
  ['main/engine/core/layerwise.ts', "import { size } from './graph'"],
  ['main/engine/core/parts/norm.ts', "import { size } from '../graph'"],
  ['main/cli.ts', "import './cli/progress'"]
]

const refused: [string, string, string][] = [
  ['main/sampling/rows.ts', "import { areLong } from '../engine/core/transformer'", 'from main/engine/core,'],
  ['main/sampling/rows.ts', "import { norm } from '../engine/core/parts/norm'", 'from main/engine/core,'],
  ['main/engine/onnx/lower.ts', "export { size } from '../core/graph'", 'from main/engine/core,'],
  ['main/engine/onnx/lower.ts', "export * from '../core/graph'", 'from main/engine/core,'],
  ['main/engine/engines.ts', "type Pip = import('./devices/tfjs/pip').Pip", 'from main/engine/devices/tfjs,'],
  ['main/engine/engines.ts', "const pip = () => import('./devices/tfjs/pip')", 'from main/engine/devices/tfjs,']
]

describe('the rule of rooms', () => {
  it.each(allowed)('lets %s say %s', (file, code) => expect(complaints(file, code)).toEqual([]))
  it.each(refused)('refuses in %s: %s', (file, code, reason) =>
    expect(complaints(file, code)).toEqual([expect.stringContaining(reason)])
  )
})
