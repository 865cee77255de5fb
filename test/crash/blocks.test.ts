import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listRuns } from '../../main/api/runs'
import type { RunRecord } from '../../preload/records'
import { quickClustering } from '../quick-chains'
import {
  deviation,
  exportedFiles,
  hasProc,
  isBuilt,
  numbersOf as keptNumbers,
  run,
  runOf as keptRun,
  scratch,
  start,
  susceptibilitiesOf,
  until,
  writeStudy
} from './command'
import type { Finished, RunNumbers, Started } from './command'

const { path, remove } = scratch()
const workspace = path('workspace')
const inWorkspace = ['--workspace', workspace]
const often = ['--checkpoint-every', '0.05']

const firstOrder = {
  method: 'first-order',
  nBeta: 3,
  pairs: 2,
  rounds: 3,
  observationBatch: 4,
  targetReliability: false
}
/** Rounds enough to be at it for some seconds. */
const long = { ...firstOrder, rounds: 8 }

const ok = async (finished: Promise<Finished>): Promise<Finished> => {
  const { code, stderr, ...rest } = await finished
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return { code, stderr, ...rest }
}

const answerOf = async <T>(args: readonly string[]): Promise<T> =>
  JSON.parse((await ok(run([...args, ...inWorkspace, '--json']))).stdout) as T

const runs = (): Promise<readonly RunRecord[]> => listRuns(workspace)
const runOf = (name: string): Promise<RunRecord> => keptRun(name, workspace)
const numbersOf = (name: string): Promise<RunNumbers> => keptNumbers(name, workspace)

/**
 * A configuration of this sampler, without clusters, on one thread, with a component of each kind: what is computed
 * for each costs more to compile than to run.
 */
const configured = (name: string, sampler: object, changes: object = {}): Promise<string> =>
  writeStudy(
    path,
    { sampler, components: ['embed', 'head:0.1', 'mlp:1', 'unembed'], clustering: false, threads: 1, ...changes },
    `${name}.json`
  )

const begin = async (name: string, sampler: object, changes: object = {}): Promise<Started> =>
  start(['run', await configured(name, sampler, changes), ...inWorkspace, '--name', name, ...often])
/** From its begin to its end, with no checkpoint on the way. */
const make = async (name: string, sampler: object, changes: object = {}): Promise<Finished> =>
  ok(run(['run', await configured(name, sampler, changes), ...inWorkspace, '--name', name]))
const resume = (name: string): Started => start(['resume', name, ...inWorkspace, ...often])
const continued = (from: string, name: string, ...args: readonly string[]): Started =>
  start(['continue', from, ...inWorkspace, '--name', name, ...often, ...args])
const filesOf = (id: string): string[] =>
  existsSync(path('workspace', 'runs', id)) ? readdirSync(path('workspace', 'runs', id)) : []
const idOf = (stderr: string): string => /Run (\S+) /.exec(stderr)![1]

const killedWhere = async (started: Started, pattern: RegExp): Promise<string> => {
  await started.said(pattern)
  started.killAll()
  const { signal, stderr } = await started.finished
  expect(signal).toBe('SIGKILL')
  return idOf(stderr)
}

describe.skipIf(!isBuilt)(`runs of blocks${isBuilt ? '' : ' (skipped: run `npm run build` first)'}`, () => {
  let three: RunNumbers
  let whole: RunNumbers

  beforeAll(async () => {
    await make('one', { ...firstOrder, rounds: 1 })
    await make('three', firstOrder)
    await make('long', long)
    three = await numbersOf('three')
    whole = await numbersOf('long')
  })
  afterAll(remove)

  it('keep the sums that another run can begin with, and nothing else', async () => {
    expect(filesOf((await runOf('three')).id)).toEqual(['sums'])
    expect(three).not.toEqual(whole)
  })

  it('are given out by the terminal as they are kept', async () => {
    expect(await exportedFiles('three', workspace)).toEqual(three.files)
    const { initialLoss, diagnostics, findings, columns } = three
    expect(diagnostics).toHaveLength(4)
    // As JSON has them, which knows no NaN.
    const kept: unknown = JSON.parse(JSON.stringify({ initialLoss, diagnostics, findings, columns }))
    expect(await answerOf(['diagnose', 'three'])).toMatchObject(kept as object)
  })

  it('keep four parts, whose mean is the matrix', async () => {
    const { parts } = three
    expect(parts).toHaveLength(4)
    const mean = parts[0].map((_, i) => parts.reduce((sum, part) => sum + part[i], 0) / 4)
    expect(deviation(mean, await susceptibilitiesOf('three', workspace))).toBeLessThan(1e-6)
  })

  it('killed, stopped by SIGINT, and without their compute process, on two threads, have the numbers of one', async () => {
    const killed = await begin('victim', long, { threads: 2 })
    const sampled = (): string | undefined =>
      readdirSync(path('workspace', 'runs')).find((id) => filesOf(id).some((file) => file.endsWith('-1.checkpoint')))
    await until(() => sampled() !== undefined, 'a checkpoint of the sampling')
    const id = sampled()!
    killed.killAll()
    expect((await killed.finished).signal).toBe('SIGKILL')
    expect(await runOf('victim')).toMatchObject({ id, status: 'interrupted' })

    const stopped = resume('victim')
    await stopped.said(/Sampling: [1-9]\d? %/)
    process.kill(-stopped.child.pid!, 'SIGINT')
    expect((await stopped.finished).code).toBe(130)
    expect(filesOf(id).some((file) => file.endsWith('.checkpoint'))).toBe(true)

    const resumed = resume('victim')
    await resumed.said(/Sampling: [1-9]\d? %/)
    if (hasProc) process.kill(resumed.childOf('compute')!, 'SIGKILL')
    const { stderr } = await ok(resumed.finished)
    expect(/died \(killed by SIGKILL\) while it sampled; a new one continues from the last/.test(stderr)).toBe(hasProc)
    expect(filesOf(id)).toEqual(['sums'])
    expect(await numbersOf('victim')).toEqual(whole)
  })

  it('continued, killed, resumed without the one before, have the numbers of those made at once', async () => {
    await ok(continued('one', 'one to three', '--rounds', '3').finished)
    expect(await numbersOf('one to three')).toEqual(three)
    expect(filesOf((await runOf('one')).id)).toEqual(['sums'])
    const id = await killedWhere(continued('one to three', 'to long', '--rounds', '8'), /Sampling: [2-9]\d? %/)
    await ok(run(['delete', 'one to three', ...inWorkspace, '--yes']))
    expect(filesOf(id)).toContain('begun')
    await ok(resume('to long').finished)
    expect(await numbersOf('to long')).toEqual(whole)
    expect(filesOf(id)).toEqual(['sums'])
  })

  it('bring their labels to the run that continues them', async () => {
    await make('labelled', { ...firstOrder, rounds: 1 }, { clustering: quickClustering })
    await answerOf(['labels', 'labelled', '--set', '0=kept in mind'])
    // A target that is reached already leaves the sums, and so the clusters, as they are.
    await ok(continued('labelled', 'labels brought', '--reliability', '0.001').finished)
    const { annotations } = await answerOf<{ annotations: readonly { name: string; target: string }[] }>([
      'labels',
      'labels brought'
    ])
    expect(annotations).toMatchObject([{ name: 'kept in mind', target: 'cluster:0' }])
  })

  it('leave columns out of the clustering whose estimate does not hold, by name, unless asked for', async () => {
    const sampler = { ...firstOrder, rounds: 1, nBeta: 100 }
    const everything = { clustering: quickClustering, components: 'all' }
    const { stderr } = await make('far', sampler, everything)
    const { diagnostics, findings } = await answerOf<{
      diagnostics: readonly { component: string; blocks: { effectiveShare: number } }[]
      findings: readonly { component: string; kind: string; message: string }[]
    }>(['diagnose', 'far'])
    const unsound = diagnostics.flatMap(({ component, blocks }) => (blocks.effectiveShare < 0.3 ? [component] : []))
    expect(unsound).toEqual(['mlp:0', 'mlp:1', 'unembed'])
    const far = findings.filter(({ kind }) => kind === 'posterior too far')
    expect(far.map(({ component }) => component)).toEqual(unsound)
    expect(far[0].message).toContain('set "sampler.method" to "psgld"')
    expect(stderr).toContain('mlp:0, mlp:1, unembed are excluded from the clustering')
    const all = await make('far, all', sampler, { clustering: { ...quickClustering, allColumns: true } })
    expect(all.stderr).toContain('"clustering.allColumns" includes these columns')
  })

  it('are not continued without sums, to fewer rounds, or where they are chains, and say why', async () => {
    const refused = async (from: string, words: RegExp, ...args: readonly string[]): Promise<void> => {
      const { code, stderr } = await continued(from, 'refused', ...args).finished
      expect(stderr.trim()).toMatch(words)
      expect(stderr.trim().split('\n')).toHaveLength(1)
      expect(code).toBe(2)
    }
    await make('unkept', { ...firstOrder, rounds: 1, keepSums: false })
    expect(filesOf((await runOf('unkept')).id)).toEqual([])
    await refused(
      'unkept',
      /^The sums of run \S+ were not saved, so it cannot be continued; start a new run with "sampler\.keepSums"/,
      '--rounds',
      '3'
    )
    await refused('three', /^Run \S+ already has 3 rounds; ask for more\.$/, '--rounds', '3')
    await refused('three', /^Give a target: --rounds N/)
    await make('chains', {
      method: 'psgld',
      batchSize: 8,
      draws: 2,
      stepsBetweenDraws: 1,
      burnIn: 0,
      chains: 1,
      estimator: 'restricted'
    })
    await refused('chains', /uses the method "psgld"/, '--rounds', '3')
    expect((await runs()).map(({ name }) => name)).not.toContain('refused')
  })

  it('are not continued from sums that are damaged', async () => {
    const sums = path('workspace', 'runs', (await runOf('one')).id, 'sums')
    const bytes = readFileSync(sums)
    const damaged = Buffer.from(bytes)
    damaged[bytes.length >> 1] ^= 1
    writeFileSync(sums, damaged)
    try {
      const { code, stderr } = await continued('one', 'from damaged', '--rounds', '3').finished
      expect(code).toBe(4)
      expect(stderr).toMatch(/is damaged/)
    } finally {
      writeFileSync(sums, bytes)
    }
  })

  const killedShard = async (folder: string): Promise<void> => {
    const killed = start(['shards', 'run', folder, '0', ...often])
    await killed.said(/Sampling: \d+ %/)
    killed.killAll()
    expect((await killed.finished).signal).toBe('SIGKILL')
  }
  const inShards = async (
    name: string,
    count: number,
    file: string,
    divided: (folder: string) => Promise<void> = () => Promise.resolve()
  ): Promise<RunNumbers> => {
    const folder = path(`shards ${name}`)
    await ok(run(['shard', file, '--shards', String(count), '--into', folder]))
    await divided(folder)
    for (let shard = 0; shard < count; shard++) await ok(run(['shards', 'run', folder, String(shard)]))
    await ok(run(['gather', folder, ...inWorkspace, '--name', name]))
    return numbersOf(name)
  }

  it('in shards of blocks, one of them killed, are those never divided, and can be continued as well', async () => {
    expect(await inShards('gathered', 3, await configured('divided', firstOrder), killedShard)).toEqual(three)
    const set = JSON.parse(readFileSync(path('shards gathered', 'shards.json'), 'utf8')) as {
      shards: { chains: { component: string }[] }[]
    }
    const apart = set.shards.flatMap(({ chains }) => [...new Set(chains.map(({ component }) => component))])
    expect(apart.length, 'blocks of one component in two shards').toBeGreaterThan(new Set(apart).size)
    await ok(continued('gathered', 'gathered to long', '--rounds', '8').finished)
    expect(await numbersOf('gathered to long')).toEqual(whole)
  })

  it('in shards of components, with a target, are those that were never divided', async () => {
    const sampler = { ...firstOrder, targetReliability: 0.7 }
    await make('undivided', sampler)
    const undivided = await numbersOf('undivided')
    expect(await inShards('gathered, with a target', 2, path('undivided.json'))).toEqual(undivided)
  })
})
