import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { AbortScope } from '../../main/pipeline/abort-scope'
import { componentDiagnostics, diagnosticsRecords } from '../../main/pipeline/diagnostics'
import { clusteringProgress, samplingProgress } from '../../main/pipeline/progress'
import { nextStage } from '../../main/pipeline/run-stages'
import { Stopwatch } from '../../main/pipeline/stopwatch'
import { fingerprintOf } from '../../main/pipeline/versions'
import type { ComponentDiagnostics } from '../../main/sampling/diagnostics'
import { parseConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import type { RunRecord, StageName } from '../../preload/records'

const endless = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('cancelled'))))

describe('a long call', () => {
  it('gives its result', async () => {
    await expect(new AbortScope(new AbortController().signal).during(async () => 3)).resolves.toBe(3)
  })

  it('ends with the first error of what is done beside it', async () => {
    const scope = new AbortScope(new AbortController().signal)
    const call = scope.during(endless)
    scope.fail(new Error('the disk is full'))
    scope.fail(new Error('later'))
    await expect(call).rejects.toThrow('the disk is full')
  })

  it('ends as interrupted when the user stops it, whatever the call itself says', async () => {
    const user = new AbortController()
    const call = new AbortScope(user.signal).during(endless)
    user.abort()
    await expect(call).rejects.toMatchObject({ kind: 'interrupted' })
    await expect(new AbortScope(user.signal).during(async () => 3)).rejects.toMatchObject({ kind: 'interrupted' })
  })

  it('keeps a sentence of its own when the user stops it, so that a checkpoint that could not be written is told', async () => {
    const user = new AbortController()
    const call = new AbortScope(user.signal).during((signal) =>
      endless(signal).catch(() => {
        throw new SpectroscopeError('storage', 'No space is left.')
      })
    )
    user.abort()
    await expect(call).rejects.toMatchObject({ kind: 'storage' })
  })
})

describe('the stopwatch of a run', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spectroscope-test-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  it('counts a stage over interruptions', async () => {
    const pause = (): Promise<void> => new Promise((done) => setTimeout(done, 60))
    const first = new Stopwatch(folder, 30)
    await first.open()
    first.start('sample')
    await pause()
    await first.close()
    const second = new Stopwatch(folder, 30)
    await second.open()
    second.start('sample')
    await pause()
    expect(second.seconds).toBeGreaterThan(0.11)
    second.start('cluster')
    expect(second.seconds).toBeLessThan(0.05)
    await second.close()
  })
})

describe('stages', () => {
  const run = (done: readonly StageName[], clustering: object | false = {}): RunRecord =>
    ({
      configuration: parseConfiguration({ model: 'm', rows: 'r', clustering }, 'c'),
      stages: done.map((stage) => ({ stage, finishedAt: '', seconds: 1 }))
    }) as unknown as RunRecord

  it('follow one another, and end before the clustering where there is none', () => {
    expect(nextStage(run([]))).toBe('prepare')
    expect(nextStage(run(['prepare', 'sample']))).toBe('neighbours')
    expect(nextStage(run(['prepare', 'sample'], false))).toBeUndefined()
    expect(nextStage(run(['prepare', 'sample', 'neighbours', 'cluster']))).toBeUndefined()
  })
})

describe('fingerprints', () => {
  it('differ with every part', () => {
    expect(fingerprintOf([1, { a: 2 }])).toBe(fingerprintOf([1, { a: 2 }]))
    expect(fingerprintOf([1, { a: 2 }])).not.toBe(fingerprintOf([1, { a: 3 }]))
    expect(fingerprintOf([1])).toMatch(/^[0-9a-f]{64}$/)
  })
})

describe('progress', () => {
  const { sampler } = parseConfiguration({ model: 'm', rows: 'r', sampler: { method: 'psgld' } }, 'c')
  const report = {
    stage: 'sample',
    step: 5,
    steps: 10,
    draw: 1,
    draws: 2,
    component: 'mlp:0',
    chain: 0,
    tokensPerSecond: NaN,
    fractionDone: 0.5,
    secondsLeft: NaN,
    initialLoss: NaN
  } as const

  it('counts chains from one and leaves out what is not known yet', () => {
    expect(samplingProgress(sampler, report)).toEqual({
      stage: 'sample',
      done: 0.5,
      total: 1,
      unit: '',
      component: 'mlp:0',
      chain: 1,
      chains: 4,
      draw: 1,
      draws: 2,
      step: 5,
      steps: 10
    })
    expect(samplingProgress(sampler, { ...report, steps: 0, secondsLeft: 3 })).toMatchObject({ secondsLeft: 3 })
    expect(samplingProgress(sampler, { ...report, steps: 0 })).not.toHaveProperty('steps')
    expect(clusteringProgress({ stage: 'neighbours', fraction: 0.25, secondsLeft: undefined })).toEqual({
      stage: 'neighbours',
      done: 0.25,
      total: 1,
      unit: ''
    })
    expect(
      clusteringProgress({ stage: 'cluster', attempts: 7, clusters: 2, remaining: 900, rejectionsInARow: 5 })
    ).toMatchObject({ done: 7, total: 0, detail: '2 clusters, 900 tokens remain, 5 rejections in a row' })
  })
})

describe('stored diagnostics', () => {
  it('give back the mean loss over the chains that did not fail', () => {
    const diagnostics: ComponentDiagnostics = {
      component: 'mlp:0',
      splitRHat: 1,
      learningCoefficient: 0,
      meanDistance: [1, 1],
      finalDistance: [1, 1],
      meanLoss: 3,
      reliability: 1,
      centredReliability: 1,
      lossTrace: { first: 3, last: 3, min: 3, max: 3 },
      failedChains: [],
      blocks: null
    }
    const trace = (chain: number, ...losses: number[]) => ({
      component: 'mlp:0',
      chain,
      losses: Float64Array.from(losses),
      distances: Float64Array.from(losses)
    })
    const [record] = diagnosticsRecords({ diagnostics: [diagnostics], traces: [trace(0, 2, 4), trace(1, 1, NaN)] })
    expect(record.meanLoss).toEqual([3, NaN])
    expect(componentDiagnostics(record)).toEqual(diagnostics)
  })
})
