import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listRuns } from '../../main/api/runs'
import type { RunRecord } from '../../preload/records'
import {
  clustering as quickClustering,
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

/** A configuration of this sampler, without clusters, on one thread: each costs as much to start as a small run. */
const configured = (name: string, sampler: object, changes: object = {}): Promise<string> =>
  writeStudy(path, { sampler, clustering: false, threads: 1, ...changes }, `${name}.json`)

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
    expect(diagnostics).toHaveLength(8)
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

  it('killed and resumed, again and again, on more threads, have the numbers of one that was not', async () => {
    const id = await killedWhere(await begin('victim', long, { threads: 2 }), /Preparing rows…/)
    const sampling = resume('victim')
    await until(() => filesOf(id).some((file) => file.endsWith('-1.checkpoint')), 'a checkpoint of the sampling')
    sampling.killAll()
    expect((await sampling.finished).signal).toBe('SIGKILL')
    expect(await runOf('victim')).toMatchObject({ id, status: 'interrupted' })
    for (const pattern of [/Sampling: [1-9]\d? %/, /Sampling: [3-9]\d %/]) await killedWhere(resume('victim'), pattern)
    expect(filesOf(id).some((file) => file.endsWith('.checkpoint'))).toBe(true)
    await ok(resume('victim').finished)
    expect(filesOf(id)).toEqual(['sums'])
    expect(await numbersOf('victim')).toEqual(whole)
  })

  it('stopped by SIGINT write a checkpoint, exit with 130, and have the same numbers when resumed', async () => {
    const started = await begin('stopped', long)
    await started.said(/Sampling: [1-9]\d? %/)
    process.kill(-started.child.pid!, 'SIGINT')
    const { code, stderr } = await started.finished
    expect(code).toBe(130)
    expect(filesOf(idOf(stderr)).some((file) => file.endsWith('.checkpoint'))).toBe(true)
    await ok(resume('stopped').finished)
    expect(await numbersOf('stopped')).toEqual(whole)
  })

  it.skipIf(!hasProc)('whose compute process is killed go on by themselves', async () => {
    const started = await begin('compute', long)
    await started.said(/Sampling: [2-9]\d? %/)
    process.kill(started.childOf('compute')!, 'SIGKILL')
    const { stderr } = await ok(started.finished)
    expect(stderr).toContain(
      'The compute process died (killed by SIGKILL) while it sampled; a new one continues from the last checkpoint.'
    )
    expect(await numbersOf('compute')).toEqual(whole)
  })

  it('continued have the numbers of those made at once', async () => {
    await ok(continued('one', 'one to three', '--rounds', '3').finished)
    expect(await numbersOf('one to three')).toEqual(three)
    expect(filesOf((await runOf('one')).id)).toEqual(['sums'])
  })

  it('continued again, killed, resumed without the one before, have the numbers of those made at once', async () => {
    await ok(continued('one', 'one to two', '--rounds', '2').finished)
    const id = await killedWhere(continued('one to two', 'two to long', '--rounds', '8'), /Sampling: [2-9]\d? %/)
    await ok(run(['delete', 'one to two', ...inWorkspace, '--yes']))
    expect(filesOf(id)).toContain('begun')
    await killedWhere(resume('two to long'), /Sampling: [1-9]\d? %/)
    await ok(resume('two to long').finished)
    expect(await numbersOf('two to long')).toEqual(whole)
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
    const clustering = { ...quickClustering, stability: false }
    const sampler = { ...firstOrder, rounds: 1, nBeta: 100 }
    const { stderr } = await make('far', sampler, { clustering })
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
    const all = await make('far, all', sampler, { clustering: { ...clustering, allColumns: true } })
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
