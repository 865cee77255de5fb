import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, expect, it } from 'vitest'
import { describeWithShared, sharedPath } from '../shared'
import { run, scratch } from './command'

const { path, remove } = scratch()
afterAll(remove)

describeWithShared('diagnose of a run without a step', () => {
  it('gives no advice on steps, and no λ̂', async () => {
    const where = ['--workspace', path('workspace')]
    const folder = sharedPath('cases', '18-advice-without-steps')
    const study = JSON.parse(readFileSync(`${folder}/study.json`, 'utf8')) as { readonly sampler: object }
    // The preset of that name is of another method by now; its settings are those of chains.
    const sampler = { ...study.sampler, preset: 'paper' }
    writeFileSync(
      path('study.json'),
      JSON.stringify({
        ...study,
        sampler,
        model: sharedPath('fixtures', 'neox-2m'),
        rows: `${folder}/rows.json`
      })
    )
    const { code, stderr } = await run(['run', path('study.json'), ...where])
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const { stdout } = await run(['diagnose', 'latest', ...where])
    expect(stdout).toMatch(/did not rise above L\(w\*\).*a smaller sampler\.gamma/s)
    expect(stdout).not.toMatch(/stepSize|step size|burnIn|more steps|longer run/)
    expect(stdout).toContain('λ̂: undefined at nβ 0')
    const { diagnostics } = JSON.parse((await run(['diagnose', 'latest', '--json', ...where])).stdout) as {
      readonly diagnostics: readonly { readonly learningCoefficient: number | null }[]
    }
    expect(diagnostics.map(({ learningCoefficient }) => learningCoefficient)).toEqual([null, null, null, null])
  })
})
