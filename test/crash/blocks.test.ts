import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deviation, exportedSusceptibilities, hasProc, isBuilt, keptParts, run, scratch, start, until, writeStudy } from './command'
import type { Finished, Started } from './command'

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
const long = { ...firstOrder, rounds: 16 }

const ok = async (finished: Promise<Finished>): Promise<Finished> => {
  const { code, stderr, ...rest } = await finished
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return { code, stderr, ...rest }
}

const answerOf = async <T>(args: readonly string[]): Promise<T> =>
  JSON.parse((await ok(run([...args, ...inWorkspace, '--json']))).stdout) as T

interface Summary {
  readonly id: string
  readonly name: string
  readonly status: string
}
const runs = async (): Promise<readonly Summary[]> => (await answerOf<{ runs: readonly Summary[] }>(['runs'])).runs
const runOf = async (name: string): Promise<Summary> => (await runs()).find((each) => each.name === name)!

const exported = ['susceptibilities.npy', 'standard_errors.npy', 'components.json', 'tokens.csv']

/** All numbers of a run that the terminal gives out. */
const numbersOf = async (name: string): Promise<Record<string, unknown>> => {
  const out = path(`export-${name}`)
  await ok(run(['export', name, ...inWorkspace, '--format', 'npy', '--out', out, '--overwrite']))
  const { initialLoss, diagnostics, findings, columns } = await answerOf<Record<string, unknown>>(['diagnose', name])
  expect(diagnostics).toHaveLength(8)
  return {
    files: Object.fromEntries(exported.map((file) => [file, readFileSync(`${out}/${file}`).toString('base64')])),
    initialLoss,
    diagnostics,
    findings,
    columns,
    parts: await keptParts(name, workspace)
  }
}

/** A configuration of this sampler, without clusters. */
const configured = (name: string, sampler: object, changes: object = {}): Promise<string> =>
  writeStudy(path, { sampler, clustering: false, ...changes }, `${name}.json`)

const begin = async (name: string, sampler: object, changes: object = {}): Promise<Started> =>
  start(['run', await configured(name, sampler, changes), ...inWorkspace, '--name', name, ...often])
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
  let three: Record<string, unknown> = {}
  let whole: Record<string, unknown> = {}

  beforeAll(async () => {
    await ok((await begin('one', { ...firstOrder, rounds: 1 })).finished)
    await ok((await begin('three', firstOrder)).finished)
    await ok((await begin('long', long)).finished)
    three = await numbersOf('three')
    whole = await numbersOf('long')
  }, 240_000)
  afterAll(remove)

  it('keep the sums that another run can begin with, and nothing else', async () => {
    expect(filesOf((await runOf('three')).id)).toEqual(['sums'])
    expect(three).not.toEqual(whole)
  })

  it('keep four parts, whose mean is the matrix', async () => {
    const parts = await keptParts('three', workspace)
    expect(parts).toHaveLength(4)
    const mean = parts[0].map((_, i) => parts.reduce((sum, part) => sum + part[i], 0) / 4)
    expect(deviation(mean, await exportedSusceptibilities('three', workspace))).toBeLessThan(1e-6)
  })

  it('killed with all their processes and resumed, again and again, have the numbers of one that was not', async () => {
    const id = await killedWhere(await begin('victim', long), /Preparing rows …/)
    const sampling = resume('victim')
    await until(() => filesOf(id).some((file) => file.endsWith('-1.checkpoint')), 'a checkpoint of the sampling')
    sampling.killAll()
    expect((await sampling.finished).signal).toBe('SIGKILL')
    expect(await runOf('victim')).toMatchObject({ id, status: 'interrupted' })
    for (const pattern of [/Sampling: \d+ %/, /Sampling: [1-9]\d? %/, /Sampling: [3-9]\d %/])
      await killedWhere(resume('victim'), pattern)
    expect(filesOf(id).some((file) => file.endsWith('.checkpoint'))).toBe(true)
    await ok(resume('victim').finished)
    expect(filesOf(id)).toEqual(['sums'])
    expect(await numbersOf('victim')).toEqual(whole)
  }, 240_000)

  it('stopped by SIGINT write a checkpoint, exit with 130, and have the same numbers when resumed', async () => {
    const started = await begin('stopped', long)
    await started.said(/Sampling: [1-9]\d? %/)
    process.kill(-started.child.pid!, 'SIGINT')
    const { code, stderr } = await started.finished
    expect(code).toBe(130)
    expect(filesOf(idOf(stderr)).some((file) => file.endsWith('.checkpoint'))).toBe(true)
    await ok(resume('stopped').finished)
    expect(await numbersOf('stopped')).toEqual(whole)
  }, 120_000)

  it('have the same numbers on another number of threads', async () => {
    await ok((await begin('threads', firstOrder, { threads: 3 })).finished)
    expect(await numbersOf('threads')).toEqual(three)
  }, 60_000)

  it.skipIf(!hasProc)(
    'whose compute process is killed go on by themselves',
    async () => {
      const started = await begin('compute', long)
      await started.said(/Sampling: [2-9]\d? %/)
      process.kill(started.childOf('compute')!, 'SIGKILL')
      const { stderr } = await ok(started.finished)
      expect(stderr).toContain(
        'The compute process died (killed by SIGKILL) while it sampled; a new one goes on from the last checkpoint.'
      )
      expect(await numbersOf('compute')).toEqual(whole)
    },
    120_000
  )

  it('continued have the numbers of those made at once, and so do those that are continued again', async () => {
    await ok(continued('one', 'one to three', '--rounds', '3').finished)
    expect(await numbersOf('one to three')).toEqual(three)
    await ok(continued('one', 'one to two', '--rounds', '2').finished)
    await ok(continued('one to two', 'two to three', '--rounds', '3').finished)
    expect(await numbersOf('two to three')).toEqual(three)
    expect(filesOf((await runOf('one')).id)).toEqual(['sums'])
  }, 120_000)

  it('continued, killed, and resumed when the first is gone, have the numbers of those made at once', async () => {
    await ok((await begin('short', { ...long, rounds: 2 })).finished)
    const id = await killedWhere(continued('short', 'short to long', '--rounds', '16'), /Sampling: [2-9]\d? %/)
    await ok(run(['delete', 'short', ...inWorkspace, '--yes']))
    expect(filesOf(id)).toContain('begun')
    await killedWhere(resume('short to long'), /Sampling: [1-9]\d? %/)
    await ok(resume('short to long').finished)
    expect(await numbersOf('short to long')).toEqual(whole)
    expect(filesOf(id)).toEqual(['sums'])
  }, 120_000)

  it('bring their labels to the run that continues them', async () => {
    const clustering = { method: 'acl', neighbours: 8, minSize: 5, maxRejections: 30, alpha: 0.05, epsilon: 1e-5 }
    await ok((await begin('labelled', { ...firstOrder, rounds: 1 }, { clustering })).finished)
    await answerOf(['labels', 'labelled', '--set', '0=kept in mind'])
    // A target that is reached already leaves the sums, and so the clusters, as they are.
    await ok(continued('labelled', 'labels brought', '--reliability', '0.0001').finished)
    const { annotations } = await answerOf<{ annotations: readonly { name: string; target: string }[] }>(['labels', 'labels brought'])
    expect(annotations).toMatchObject([{ name: 'kept in mind', target: 'cluster:0' }])
  }, 120_000)

  it('leave columns out of the clustering whose estimate does not hold, by name, unless asked for', async () => {
    const clustering = { method: 'acl', neighbours: 8, minSize: 5, maxRejections: 30, alpha: 0.05, epsilon: 1e-5 }
    const sampler = { ...firstOrder, rounds: 1, nBeta: 100 }
    const { stderr } = await ok((await begin('far', sampler, { clustering })).finished)
    const { diagnostics, findings } = await answerOf<{
      diagnostics: readonly { component: string; blocks: { effectiveShare: number } }[]
      findings: readonly { component: string; kind: string; message: string }[]
    }>(['diagnose', 'far'])
    const unsound = diagnostics.flatMap(({ component, blocks }) => (blocks.effectiveShare < 0.3 ? [component] : []))
    expect(unsound).toEqual(['mlp:0', 'mlp:1', 'unembed'])
    const far = findings.filter(({ kind }) => kind === 'posterior too far')
    expect(far.map(({ component }) => component)).toEqual(unsound)
    expect(far[0].message).toContain('set "sampler.method" to "psgld"')
    expect(stderr).toContain('mlp:0, mlp:1, unembed are left out of the clustering')
    const all = await ok((await begin('far, all', sampler, { clustering: { ...clustering, allColumns: true } })).finished)
    expect(all.stderr).toContain('tokens are clustered by them all the same')
  }, 120_000)

  it('are not continued without sums, to fewer rounds, or where they are chains, and say why', async () => {
    const refused = async (from: string, words: RegExp, ...args: readonly string[]): Promise<void> => {
      const before = (await runs()).length
      const { code, stderr } = await continued(from, 'refused', ...args).finished
      expect(stderr.trim()).toMatch(words)
      expect(stderr.trim().split('\n')).toHaveLength(1)
      expect(code).toBe(2)
      expect(await runs()).toHaveLength(before)
    }
    await ok((await begin('unkept', { ...firstOrder, rounds: 1, keepSums: false })).finished)
    expect(filesOf((await runOf('unkept')).id)).toEqual([])
    await refused(
      'unkept',
      /^The sums of run \S+ were not kept, so it can't be continued; start a new run, with "sampler\.keepSums" as/,
      '--rounds',
      '3'
    )
    await refused('three', /^Run \S+ has 3 rounds already; ask for more than that\.$/, '--rounds', '3')
    await refused('three', /^Say how far the run is to go on/)
    await ok(
      (
        await begin('chains', {
          method: 'psgld',
          batchSize: 8,
          draws: 2,
          stepsBetweenDraws: 1,
          burnIn: 0,
          chains: 1,
          estimator: 'restricted'
        })
      ).finished
    )
    await refused('chains', /was sampled by chains \(psgld\)/, '--rounds', '3')
  }, 120_000)

  it('are not continued from sums that are damaged', async () => {
    await ok(run(['run', path('one.json'), ...inWorkspace, '--name', 'damaged']))
    const sums = path('workspace', 'runs', (await runOf('damaged')).id, 'sums')
    const bytes = readFileSync(sums)
    bytes[bytes.length >> 1] ^= 1
    writeFileSync(sums, bytes)
    const { code, stderr } = await continued('damaged', 'from damaged', '--rounds', '3').finished
    expect(code).toBe(4)
    expect(stderr).toMatch(/is damaged/)
  }, 60_000)

  it.each([
    ['blocks', firstOrder, 5],
    ['components, with a target', { ...firstOrder, targetReliability: 0.7 }, 3]
  ])(
    'in pieces of %s are those that were never divided',
    async (name, sampler, count) => {
      const file = await configured(`divided ${name}`, sampler)
      await ok(run(['run', file, ...inWorkspace, '--name', `undivided ${name}`]))
      const folder = path(`shards ${name}`)
      await ok(run(['shard', file, '--shards', String(count), '--into', folder]))
      const killed = start(['piece', folder, '0', ...often])
      await killed.said(/Sampling: \d+ %/)
      killed.killAll()
      await killed.finished
      for (let piece = 0; piece < count; piece++) await ok(run(['piece', folder, String(piece), ...often]))
      await ok(run(['gather', folder, ...inWorkspace, '--name', `gathered ${name}`]))
      const undivided = await numbersOf(`undivided ${name}`)
      expect(await numbersOf(`gathered ${name}`)).toEqual(undivided)
      if (sampler.targetReliability !== false) return
      expect(undivided).toEqual(three)
      // What was gathered can be continued as well.
      await ok(continued(`gathered ${name}`, 'gathered to five', '--rounds', '5').finished)
      await ok(continued('three', 'three to five', '--rounds', '5').finished)
      expect(await numbersOf('gathered to five')).toEqual(await numbersOf('three to five'))
    },
    240_000
  )
})
