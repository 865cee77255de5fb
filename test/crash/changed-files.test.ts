import { copyFileSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { errorKinds } from '../../preload/errors'
import { tinyRows, writeTinyModel } from '../tiny-model'
import { isBuilt, run, sampler, scratch, start, writeStudy } from './command'

const { path, remove } = scratch()
const workspace = path('workspace')

describe.skipIf(!isBuilt)('a run whose files have changed', () => {
  afterAll(remove)

  it('does not go on until they are as they were', async () => {
    const study = await writeStudy(path)
    const started = start(['run', study, '--workspace', workspace, '--name', 'first', '--checkpoint-every', '0.05'])
    await started.said(/Sampling: \d+ %/)
    started.child.kill('SIGINT')
    expect((await started.finished).code).toBe(errorKinds.interrupted)

    const resume = async (): Promise<string> => {
      const { code, stderr } = await run(['resume', 'first', '--workspace', workspace])
      expect({ code, stderr }).toMatchObject({ code: errorKinds.input })
      return stderr
    }
    copyFileSync(path('model', 'model.safetensors'), path('kept.safetensors'))
    await writeTinyModel(path('model'), { seed: 9 })
    expect(await resume()).toMatch(/The files of the model changed since run \S+ started/)
    copyFileSync(path('kept.safetensors'), path('model', 'model.safetensors'))

    copyFileSync(path('rows.json'), path('kept.json'))
    writeFileSync(
      path('rows.json'),
      JSON.stringify(tinyRows({ sampling: 64, observation: 16, probe: 40, length: 24 }, 5))
    )
    expect(await resume()).toMatch(/The files of the corpus or rows changed since/)
    copyFileSync(path('kept.json'), path('rows.json'))

    expect((await run(['resume', 'first', '--workspace', workspace])).code).toBe(0)
  })

  it('that diverges is told apart from one that was interrupted, and says what would help', async () => {
    const study = await writeStudy(path, { sampler: { ...sampler, stepSize: 10 } }, 'wild.json')
    const { code, stderr } = await run(['run', study, '--workspace', workspace, '--name', 'wild'])
    expect({ code, stderr }).toMatchObject({ code: errorKinds.sampling })
    expect(stderr.trim().split('\n').at(-1)).toMatch(/sampler\.stepSize/)
    expect((await run(['runs', '--workspace', workspace])).stdout).toMatch(/wild +failed/)
    expect((await run(['delete', 'wild', '--workspace', workspace, '--yes'])).code).toBe(0)
    expect(existsSync(path('workspace', 'runs')) ? readdirSync(path('workspace', 'runs')) : []).toEqual([])
  })

  it('runs without a clustering, and shows that it has none', async () => {
    const study = await writeStudy(
      path,
      { clustering: false, sampler: { ...sampler, nBeta: 0, estimator: 'restricted' } },
      'plain.json'
    )
    const { code, stdout } = await run(['run', study, '--workspace', workspace, '--name', 'plain', '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'finished',
      clusters: null,
      unclustered: null,
      tokens: 920,
      components: 8
    })
    expect((await run(['show', 'plain', '--workspace', workspace])).stdout).toContain('not clustered')
    const clustered = await run([
      'cluster',
      'plain',
      '--neighbours',
      '8',
      '--min-size',
      '5',
      '--workspace',
      workspace,
      '--json'
    ])
    expect(clustered.code).toBe(0)
    expect(JSON.parse(clustered.stdout)).toMatchObject({ clustering: { number: 1 } })
  })
})
