import { Linter } from 'eslint'
import { parser } from 'typescript-eslint'
import { describe, expect, it } from 'vitest'
import rule from '../../tools/eslint-layers.js'

const linter = new Linter({ cwd: '/project' })

const complaints = (filename: string, code: string): string[] =>
  linter
    .verify(
      code,
      [
        {
          files: ['**/*.ts'],
          languageOptions: { parser },
          plugins: { own: { rules: { layers: rule } } },
          rules: { 'own/layers': 'error' }
        }
      ],
      { filename: `/project/${filename}` }
    )
    .map(({ message }) => message)

const allowed: [string, string][] = [
  ['main/cli.ts', "import './cli/progress'"],
  ['main/cli.ts', "import './pipeline/run'"],
  ['main/pipeline/run.ts', "import { open } from '../store/store'"],
  ['main/sampling/sample.ts', "import './philox'"],
  ['main/sampling/sample.ts', "import '../engine/onnx'"],
  ['main/models/load.ts', "import '../../preload/errors'"],
  ['main/models/load.ts', "import 'node:fs'"],
  ['main/index.ts', "import { app } from 'electron'"],
  ['preload/index.ts', "import { contextBridge } from 'electron'; import './contract'"],
  ['renderer/views/runs.ts', "import '../state'; import '../../preload/contract'"]
]

const refused: [string, string, string][] = [
  ['main/sampling/sample.ts', "import '../store/store'", 'sampling is below store'],
  ['main/base/pool.ts', "export * from '../models/load'", 'base is below models'],
  ['main/base/pool.ts', "export { load } from '../models/load'", 'base is below models'],
  ['main/engine/onnx/run.ts', "const f = () => import('../../pipeline/run')", 'engine is below pipeline'],
  ['main/engine/onnx/run.ts', "type Run = import('../../pipeline/run').Run", 'engine is below pipeline'],
  ['main/pipeline/run.ts', "import '../cli'", 'pipeline is below entries'],
  ['main/pipeline/run.ts', "import '../extras/thing'", 'extras is no layer'],
  ['main/pipeline/run.ts', "import '../../renderer/state'", 'main/ imports only main/ and preload/'],
  ['main/pipeline/run.ts', "import '../../test/unit/helper'", 'main/ imports only main/ and preload/'],
  ['main/serve.ts', "import { app } from 'electron'", 'only main/index.ts and preload/index.ts import electron'],
  ['preload/contract.ts', "import '../main/base/entries'", 'preload/ imports nothing'],
  ['preload/contract.ts', "import 'electron'", 'only main/index.ts and preload/index.ts import electron'],
  ['renderer/views/runs.ts', "import '../../preload/index'", 'renderer/ imports only preload/contract'],
  ['renderer/views/runs.ts', "import '../../main/base/entries'", 'renderer/ imports only preload/contract'],
  ['renderer/views/runs.ts', "import 'electron'", 'only main/index.ts and preload/index.ts import electron']
]

describe('the layer rule', () => {
  it.each(allowed)('lets %s say %s', (file, code) => expect(complaints(file, code)).toEqual([]))
  it.each(refused)('refuses in %s: %s', (file, code, reason) =>
    expect(complaints(file, code)).toEqual([expect.stringContaining(reason)])
  )
})
