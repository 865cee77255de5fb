import { existsSync, readdirSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { tensorflowEnvironment, tensorflowLack } from '../tensorflow-library'
import {
  deviation,
  isBuilt,
  run,
  runOf,
  sampler,
  scratch,
  start,
  susceptibilitiesOf,
  until,
  writeStudy
} from './command'

const { path, remove } = scratch()
const workspace = path('workspace')
afterAll(remove)

const hasCheckpoint = (): boolean =>
  existsSync(path('workspace', 'runs')) &&
  readdirSync(path('workspace', 'runs'), { recursive: true }).some((file) => String(file).endsWith('-1.checkpoint'))

describe.skipIf(!isBuilt || tensorflowLack !== undefined)(
  `a run on tfjs-gpu${tensorflowLack === undefined ? '' : ` (skipped: ${tensorflowLack})`}`,
  () => {
    it('killed and resumed has the numbers of an uninterrupted one, those of onnx-cpu but for noise', async () => {
      const environment = tensorflowEnvironment()
      const study = (engine: string) =>
        writeStudy(
          path,
          {
            components: ['head:1.0', 'mlp:1'],
            clustering: false,
            sampler: { ...sampler, stepsBetweenDraws: 3 },
            engine
          },
          `${engine}.json`
        )
      const [own, plain] = [await study('tfjs-gpu'), await study('onnx-cpu')]
      const begin = (file: string, name: string) =>
        start(['run', file, '--workspace', workspace, '--name', name, '--checkpoint-every', '0.05'], environment)
      expect(await begin(plain, 'processor').finished).toMatchObject({ code: 0 })
      expect(await begin(own, 'whole').finished).toMatchObject({ code: 0 })
      const killed = begin(own, 'killed')
      await until(hasCheckpoint, 'a checkpoint of the sampling')
      killed.killAll()
      expect(await killed.finished).toMatchObject({ signal: 'SIGKILL' })
      expect(await run(['resume', 'killed', '--workspace', workspace], environment)).toMatchObject({ code: 0 })
      const whole = await susceptibilitiesOf('whole', workspace)
      expect(await susceptibilitiesOf('killed', workspace)).toEqual(whole)
      const apart = deviation(whole, await susceptibilitiesOf('processor', workspace))
      expect(apart).toBeGreaterThan(0)
      expect(apart).toBeLessThan(1e-4)
      expect((await runOf('killed', workspace)).provenance).toMatchObject({
        engine: { name: 'tfjs-gpu', device: 'CPU', version: expect.stringMatching(/^TensorFlow /) }
      })
    })
  }
)
