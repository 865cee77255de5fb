import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { claim, isStale, readClaim, staleSeconds } from '../../main/base/claims'
import type { Claim } from '../../main/base/claims'
import { writeFileAtomically } from '../../main/base/files'
import { sectionBlocks } from '../../main/base/section-file'
import { attemptIn, precedes } from '../../main/base/scheduled'
import { shardNotes } from '../../main/pipeline/shard-task'
import { readSet, readStudy, setPath, dealChains, studyPath, writeSet, writeStudy } from '../../main/pipeline/shard-set'
import type { ShardSet } from '../../main/pipeline/shard-set'
import { plainScript, sbatchScript } from '../../main/pipeline/shard-scripts'
import type { SampledChains } from '../../main/sampling/sampled'
import { chainNames } from '../../main/sampling/input'
import { joinSampled, openSampled, writeSampled } from '../../main/sampling/sampled-file'
import { encode } from '../../preload/wire'
import { smallInput } from './sampling-fake'
import { shardSet } from './shard-fixture'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shards-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const path = (...parts: string[]): string => join(folder, ...parts)

const costs: Readonly<Record<string, number>> = { 'mlp:1': 5, 'head:0.1': 3, 'head:1.0': 2, full: 11 }
const costOf = (component: string): number => costs[component]
const chains = chainNames({
  components: ['mlp:1', 'head:0.1', 'head:1.0'],
  sampler: { ...smallInput().sampler, chains: 4 }
})

describe('dealing chains to shards', () => {
  it("gives every chain to one shard, in the run's order within it", () => {
    for (let count = 1; count <= chains.length; count++) {
      const shards = dealChains(chains, costOf, count)
      expect(shards.map(({ index }) => index)).toEqual(Array.from({ length: count }, (_, i) => i))
      const dealt = shards.flatMap((shard) => shard.chains.map((chain) => chains.indexOf(chain)))
      expect(dealt.toSorted((a, b) => a - b)).toEqual(chains.map((_, i) => i))
      for (const shard of shards) {
        const places = shard.chains.map((chain) => chains.indexOf(chain))
        expect(places).toEqual(places.toSorted((a, b) => a - b))
        expect(places.length).toBeGreaterThan(0)
      }
      expect(shards.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12)
    }
  })

  it('balances their costs: no shard has more than the least one by over its cheapest chain', () => {
    for (const count of [2, 3, 4, 5]) {
      const loads = dealChains(chains, costOf, count).map((shard) =>
        shard.chains.map(({ component }) => costOf(component))
      )
      const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
      const least = Math.min(...loads.map(sum))
      for (const load of loads) expect(sum(load) - Math.min(...load)).toBeLessThanOrEqual(least)
    }
  })

  it('is the same each time', () => {
    expect(dealChains(chains, costOf, 3)).toEqual(dealChains(chains.slice(), costOf, 3))
  })

  it('deals chains that cost nothing too, and refuses more shards than chains', () => {
    expect(dealChains(chains, () => 0, 16).map((shard) => shard.chains.length)).toEqual(new Array(16).fill(1))
    expect(() => dealChains(chains, costOf, 17)).toThrow(
      expect.objectContaining({
        kind: 'usage',
        message: 'The run has only 16 chains or blocks to divide, not into 17 shards; ask for at most 16.'
      })
    )
  })
})

const set = (changes: Partial<ShardSet> = {}): ShardSet =>
  shardSet({ shards: dealChains(chains, costOf, 5), ...changes })

describe('a set of shards', () => {
  it('is read as it was written', async () => {
    await writeSet(folder, set())
    expect(await readSet(folder)).toEqual(set())
  })

  it('that is none, damaged or of another version is refused with one sentence', async () => {
    await expect(readSet(folder)).rejects.toMatchObject({
      kind: 'usage',
      message: `${setPath(folder)} does not exist; name a folder that \`spectroscope shard\` has written.`
    })
    for (const [content, words] of [
      ['{', 'no valid JSON'],
      [JSON.stringify({ ...set(), version: 1 }), '"version": '],
      [JSON.stringify({ ...set(), shards: [] }), '"shards": '],
      [JSON.stringify({ ...set(), more: 1 }), 'more']
    ] as const) {
      writeFileSync(setPath(folder), content)
      await expect(readSet(folder)).rejects.toMatchObject({
        kind: 'input',
        message: expect.stringContaining(words) as string
      })
    }
    writeFileSync(setPath(folder), JSON.stringify({ ...set(), configuration: { ...set().configuration, seed: -1 } }))
    await expect(readSet(folder)).rejects.toMatchObject({
      kind: 'configuration',
      message: expect.stringContaining('"seed"') as string
    })
  })

  it('keeps its rows and the texts of their tokens', async () => {
    const { study } = smallInput()
    const record = {
      ...study,
      provenance: study.probe.map((_, i) => ({ subset: `s${i}`, segments: [{ start: 0, document: i, offset: 3 }] })),
      documents: [{ id: 0, file: 'a', record: 1, subset: 's0' }],
      hash: 's'
    }
    const texts = { ids: Int32Array.of(3, 1, 2), words: ['ä', '\n', ''] }
    await writeStudy(folder, { study: record, texts, parameters: 12 })
    expect(await readStudy(folder, set())).toEqual({ study: record, texts, parameters: 12 })
    await expect(readStudy(folder, set({ studyHash: 'other' }))).rejects.toMatchObject({ kind: 'input' })
    const bytes = readFileSync(studyPath(folder))
    bytes[bytes.length - 20] ^= 4
    writeFileSync(studyPath(folder), bytes)
    await expect(readStudy(folder, set())).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('damaged') as string
    })
  })

  it('has scripts with what was asked for, which name no folder', () => {
    const of = (memoryBytes: number): ShardSet =>
      set({ shards: set().shards.map((shard) => ({ ...shard, memoryBytes })) })
    const script = sbatchScript(of(2 ** 30), { atOnce: 2, sbatch: ['--time=1:00:00'] })
    expect(script).toContain('#SBATCH --array=0-4%2\n')
    expect(script).toContain('#SBATCH --cpus-per-task=3\n')
    expect(script).toContain('#SBATCH --mem=1280M\n')
    expect(script).toContain('#SBATCH --time=1:00:00\n')
    const launcher = 'apptainer exec image.sif spectroscope'
    const launched = { setup: ['module load cuda'], launcher, checkpointSeconds: 5 }
    const checkpoints = 'export SPECTROSCOPE_CHECKPOINT_SECONDS="${SPECTROSCOPE_CHECKPOINT_SECONDS:-5}"'
    for (const each of [sbatchScript(set(), launched), plainScript(set(), launched)]) {
      expect(each).toContain(`module load cuda\n${checkpoints}\n`)
      expect(each).toContain('program=(apptainer exec image.sif spectroscope)\n')
    }
  })
})

describe("the file of a shard's chains", () => {
  const of = (component: string, chain: number, at: number) => ({
    component,
    chain,
    initialLoss: 1 / 3 + at,
    failure: at === 1 ? { chain, draw: 2, step: 3, message: 'ended' } : null,
    losses: Float64Array.of(0.1 + at, NaN),
    distances: Float64Array.of(1e-300, at)
  })
  const sums = (at: number) =>
    [
      { loss: Float32Array.of(at, 0.1), product: Float32Array.of(-0, at) },
      { loss: Float64Array.of(NaN, at / 7), product: new Float64Array(0) }
    ] as const
  const names = [
    { component: 'a', chain: 0 },
    { component: 'a', chain: 1 },
    { component: 'b', chain: 0 }
  ]
  const sampled = {
    tokens: 2,
    initialLoss: 1 / 3,
    chains: names.map(({ component, chain }, at) => of(component, chain, at)),
    sums: (at: number) => Promise.resolve(sums(at))
  }

  it("gives back every number, and joins with others in the run's order", async () => {
    await writeSampled(path('result'), { shard: 4 }, sampled)
    const file = await openSampled<SampledChains, { shard: number }>(path('result'))
    expect(file).toMatchObject({ about: { shard: 4 }, tokens: 2, initialLoss: 1 / 3, chains: sampled.chains })
    for (const at of [2, 0, 1]) expect(await file.sums(at)).toEqual(sums(at))
    const other = { tokens: 2, initialLoss: 0.5, chains: [of('c', 0, 5)], sums: () => Promise.resolve(sums(5)) }
    const joined = joinSampled<SampledChains>([{ component: 'c', chain: 0 }, ...names.toReversed()], [file, other])
    expect(joined.chains.map(({ component, chain }) => [component, chain])).toEqual([
      ['c', 0],
      ['b', 0],
      ['a', 1],
      ['a', 0]
    ])
    expect(await joined.sums(0)).toEqual(sums(5))
    expect(await joined.sums(1)).toEqual(sums(2))
    expect(joined.initialLoss).toBe(1 / 3)
    await file.close()
  })

  it('is refused by its name when a bit of it is another', async () => {
    await writeSampled(path('result'), {}, sampled)
    const whole = readFileSync(path('result'))
    for (const change of [
      (bytes: Buffer) => bytes.subarray(0, bytes.length - 3),
      (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 60), Buffer.of(bytes[60] ^ 1), bytes.subarray(61)])
    ]) {
      writeFileSync(path('result'), change(whole))
      await expect(openSampled(path('result'))).rejects.toMatchObject({
        kind: 'input',
        message: `${path('result')} is damaged; delete it and run its shard again.`
      })
    }
  })
})

describe("the file of a shard's chains that is checked as it is read", () => {
  const names = [0, 1, 2].map((chain) => ({ component: 'a', chain }))
  const losses = Float64Array.of(1, 2)
  const chains = names.map((name) => ({ ...name, initialLoss: 1, failure: null, losses, distances: losses }))
  const half = (at: number) => ({ loss: Float32Array.of(at, 0.1), product: Float32Array.of(at) })
  const sums = (at: number) => Promise.resolve([half(at), half(-at)] as const)
  const sampled = { tokens: 2, initialLoss: 1, chains, sums }
  const words = /result (is damaged|is of another format|ends early); delete it and run its shard again\.$/
  const refusal = { kind: 'input', message: expect.stringMatching(words) as string }

  it('never gives a number of which a bit is another, wherever that is', async () => {
    await writeSampled(path('result'), { shard: 4 }, sampled)
    const whole = readFileSync(path('result'))
    const read = async (): Promise<unknown[]> => {
      const file = await openSampled<SampledChains, object>(path('result'), 'as read')
      try {
        const sums = [await file.sums(0), await file.sums(1), await file.sums(2)]
        return [file.about, file.chains, ...sums]
      } finally {
        await file.close()
      }
    }
    const expected = await read()
    let found = 0
    for (let at = 0; at < whole.length - 4; at++) {
      const changed = Buffer.from(whole)
      changed[at] ^= 1 << (at % 8)
      writeFileSync(path('result'), changed)
      const outcome = await read().catch((error: unknown) => error)
      if (outcome instanceof Error) {
        expect(outcome, `byte ${at}`).toMatchObject(refusal)
        found++
      } else expect(outcome, `byte ${at}`).toEqual(expected)
    }
    // Spaces and names within the short header are all that may change unseen.
    expect(found).toBeGreaterThan(whole.length - 24)
    for (const length of [whole.length - 1, whole.length - 20, 17, 3]) {
      writeFileSync(path('result'), whole.subarray(0, length))
      await expect(read()).rejects.toMatchObject({ kind: 'input' })
    }
  })

  it('gives the parts that are sound, and refuses the one that is not', async () => {
    await writeSampled(path('result'), {}, sampled)
    const bytes = readFileSync(path('result'))
    bytes[bytes.length - 10] ^= 1
    writeFileSync(path('result'), bytes)
    await expect(openSampled(path('result'))).rejects.toMatchObject(refusal)
    const file = await openSampled<SampledChains, object>(path('result'), 'as read')
    expect(await file.sums(1)).toEqual([half(1), half(-1)])
    await expect(file.sums(2)).rejects.toMatchObject(refusal)
    await file.close()
  })

  it('of an earlier version is checked whole, and read', async () => {
    const framed = (value: unknown): Uint8Array[] => {
      const bytes = encode(value)
      const length = Buffer.alloc(8)
      length.writeBigUInt64LE(BigInt(bytes.length))
      return [length, bytes]
    }
    const { tokens, initialLoss } = sampled
    const outline = { tokens, initialLoss, chains }
    const sections = [outline, [half(0), half(0)], [half(1), half(-1)], [half(2), half(-2)]].flatMap(framed)
    const header = { about: { basis: 'b' }, count: 3 }
    await writeFileAtomically(path('result'), sectionBlocks({ magic: 'SPECCHNS', version: 2 }, header, sections))
    for (const checked of ['whole', 'as read'] as const) {
      const file = await openSampled<SampledChains, object>(path('result'), checked)
      expect(file).toMatchObject({ about: { basis: 'b' }, tokens, chains })
      expect(await file.sums(2)).toEqual([half(2), half(-2)])
      await file.close()
    }
    const bytes = readFileSync(path('result'))
    bytes[bytes.length - 10] ^= 1
    writeFileSync(path('result'), bytes)
    await expect(openSampled(path('result'), 'as read')).rejects.toMatchObject(refusal)
  })
})

describe('what is said of shards that are gathered', () => {
  const of = (processor: string) => ({
    set: 'abc',
    shard: 0,
    host: 'a',
    processor,
    program: '0.1.0',
    engine: set().engine,
    threads: 1,
    finishedAt: '',
    seconds: 1
  })

  it('names processors where they are of several kinds, whose last bits may differ, and nothing else', () => {
    expect(shardNotes([of('one'), of('one')])).toEqual([])
    expect(shardNotes([of('one'), of('two'), of('one')])).toEqual([
      expect.stringContaining('2 kinds of processors (one; two)')
    ])
  })
})

describe('a claim', () => {
  const isHeld = (found: Awaited<ReturnType<typeof claim>>): found is Claim => 'release' in found
  const mine = async (): Promise<Claim> => {
    const found = await claim(path('claim'))
    if (!isHeld(found)) throw new Error(`held by ${found.pid}`)
    return found
  }
  const foreign = (changes: object = {}): void =>
    writeFileSync(
      path('claim.3'),
      JSON.stringify({ host: 'elsewhere', pid: 7, space: '', token: 'theirs', since: 'then', ...changes })
    )
  const aged = (seconds: number): void => utimesSync(path('claim.3'), new Date(), new Date(Date.now() - 1000 * seconds))

  it("is one process's until it is released", async () => {
    const first = await mine()
    expect(await claim(path('claim'))).toMatchObject({ host: hostname(), pid: process.pid })
    await first.release()
    expect(await readClaim(path('claim'))).toBeNull()
    await (await mine()).release()
  })

  it('is given to one of many that ask at once', async () => {
    for (const before of [
      () => undefined,
      () => foreign({ host: hostname(), pid: 2 ** 22 + 1, space: 'x' }),
      () => foreign()
    ]) {
      before()
      if ((await readClaim(path('claim'))) !== null) aged(staleSeconds + 5)
      const found = await Promise.all(Array.from({ length: 20 }, () => claim(path('claim'))))
      const held = found.filter(isHeld)
      expect(held).toHaveLength(1)
      await held[0].release()
    }
  })

  it('of another machine holds while it gives signs of life, and can be taken over', async () => {
    foreign()
    const found = await claim(path('claim'))
    expect(found).toMatchObject({ host: 'elsewhere', pid: 7 })
    aged(staleSeconds - 30)
    expect(isStale((await readClaim(path('claim')))!)).toBe(false)
    const taken = await claim(path('claim'), { takeOver: true })
    expect(isHeld(taken)).toBe(true)
    if (isHeld(taken)) await taken.release()
  })

  it('of a machine that has been silent for long is taken over, and so is one that was never written whole', async () => {
    foreign()
    aged(staleSeconds + 5)
    await (await mine()).release()
    for (const torn of ['', '{"host": "else']) {
      writeFileSync(path('claim.3'), torn)
      expect(isHeld(await claim(path('claim')))).toBe(false)
      aged(staleSeconds + 5)
      await (await mine()).release()
    }
  })

  it('of this process before it was this one is taken over', async () => {
    const first = await mine()
    const holder = JSON.parse(readFileSync(path('claim.1'), 'utf8')) as object
    await first.release()
    foreign({ ...holder, token: 'of an earlier process with this number' })
    await (await mine()).release()
  })

  it('of an earlier attempt of the same task is taken over at once, and that of another task or the same attempt is not', async () => {
    const attempt = { task: 'slurm c 12_3', number: 1 }
    for (const [name, value] of Object.entries({
      SLURM_CLUSTER_NAME: 'c',
      SLURM_ARRAY_JOB_ID: '12',
      SLURM_ARRAY_TASK_ID: '3',
      SLURM_RESTART_COUNT: '2'
    }))
      vi.stubEnv(name, value)
    try {
      for (const other of [{ ...attempt, task: 'slurm c 12_4' }, { ...attempt, number: 2 }, null]) {
        foreign({ attempt: other })
        expect(isHeld(await claim(path('claim')))).toBe(false)
      }
      foreign({ attempt })
      await (await mine()).release()
      // A container's processes are counted from 1 again, so that the number of the earlier one is another's now.
      const first = await mine()
      const holder = JSON.parse(readFileSync(path('claim.1'), 'utf8')) as object
      await first.release()
      foreign({ ...holder, pid: process.ppid, attempt })
      await (await mine()).release()
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it("is not another's to release", async () => {
    const first = await mine()
    foreign()
    await first.release()
    expect(await readClaim(path('claim'))).toMatchObject({ host: 'elsewhere' })
  })
})

describe('an attempt of a scheduler', () => {
  const of = (environment: Record<string, string>, host = 'node'): ReturnType<typeof attemptIn> =>
    attemptIn(environment, host)

  it('is known by what the scheduler says of it', () => {
    expect(of({})).toBeNull()
    expect(of({ SLURM_JOB_ID: '8' })).toEqual({ task: 'slurm  8', number: 0 })
    expect(
      of({ SLURM_JOB_ID: '8', SLURM_ARRAY_JOB_ID: '7', SLURM_ARRAY_TASK_ID: '1', SLURM_RESTART_COUNT: '4' })
    ).toEqual({ task: 'slurm  7_1', number: 4 })
    expect(of({ JOB_COMPLETION_INDEX: '5' }, 'study-5')).toEqual({ task: 'kubernetes study-5 5', number: null })
    expect(of({ SKYPILOT_TASK_ID: 'sky-managed-1', SKYPILOT_NODE_RANK: '0' })).toEqual({
      task: 'skypilot sky-managed-1 0',
      number: null
    })
    expect(of({ AWS_BATCH_JOB_ID: 'a:3', AWS_BATCH_JOB_ATTEMPT: '2' })).toEqual({ task: 'batch a:3', number: 2 })
    expect(of({ SPECTROSCOPE_TASK: 'mine', SLURM_JOB_ID: '8' })).toEqual({ task: 'named mine', number: null })
  })

  it('comes after another of its task with a lower number, or with none', () => {
    const task = (number: number | null, name = 'a') => ({ task: name, number })
    expect(precedes(task(0), task(1))).toBe(true)
    expect(precedes(task(1), task(1))).toBe(false)
    expect(precedes(task(2), task(1))).toBe(false)
    expect(precedes(task(null), task(null))).toBe(true)
    expect(precedes(task(0), task(1, 'b'))).toBe(false)
    expect(precedes(null, task(1))).toBe(false)
    expect(precedes(task(0), null)).toBe(false)
  })
})
