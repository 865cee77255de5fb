import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Command } from 'commander'
import type { EngineRate } from '../../preload/contract'
import { parseConfiguration } from '../../preload/configuration'
import type { RunConfiguration } from '../../preload/configuration'
import type { ShardPlan } from '../../preload/shards'
import { refuseAddresses } from '../../main/cli/arguments'
import { describeElsewhere, unknownVersion } from '../../main/engine/engines'
import { planShards, slurmTime } from '../../main/pipeline/shard-plan'
import type { PlanOptions } from '../../main/pipeline/shard-plan'
import { writeStudy } from '../crash/command'
import { quickChains } from '../quick-chains'

const folder = mkdtempSync(join(tmpdir(), 'shard-plan-'))
const rate = (name: string, gigaflopsPerSecond: number | null): EngineRate => ({
  name,
  device: '',
  precision: 'float32',
  version: '1',
  available: gigaflopsPerSecond !== null,
  remedy: null,
  install: null,
  tokensPerSecond: gigaflopsPerSecond,
  gigaflopsPerSecond
})
const processor = [rate('onnx-cpu', 0.02), rate('onnx-cuda', null)]
const of = (changes: object = {}): RunConfiguration =>
  parseConfiguration(
    { model: 'model', rows: 'rows.json', sampler: { ...quickChains, draws: 50 }, threads: 2, ...changes },
    'study.json'
  )
const plan = (
  options: PlanOptions = {},
  changes: object = {},
  rates = processor,
  most: number | null = null
): Promise<ShardPlan> => planShards(of(changes), folder, rates, options, most)

beforeAll(async () => {
  await writeStudy((...parts) => join(folder, ...parts))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a plan of shards', () => {
  it('counts what every shard does again', async () => {
    const [one, four] = [await plan({ shards: 1 }), await plan({ shards: 4 })]
    expect(one.repeatedSeconds).toBe(0)
    expect(four.nodeSeconds - one.nodeSeconds).toBeCloseTo(four.repeatedSeconds, 6)
    expect(four.repeatedSeconds).toBeGreaterThan(3 * 20)
    expect(four.longestSeconds).toBeLessThan(one.longestSeconds)
    expect(four.longestSeconds).toBeGreaterThanOrEqual(four.nodeSeconds / 4)
    expect(four.secondsPerChain).toBe(one.secondsPerChain)
    expect(four.memoryMebibytes.reduce((sum, { tasks }) => sum + tasks, 0)).toBe(4)
  })

  it('is in proportion to the rate that it names', async () => {
    const [slow, fast] = [await plan({ shards: 2 }), await plan({ shards: 2 }, {}, [rate('onnx-cpu', 0.04)])]
    expect((slow.nodeSeconds - 40) / (fast.nodeSeconds - 40)).toBeCloseTo(2, 6)
    expect(fast.assumption).toContain('the speed of onnx-cpu on one thread of this machine')
  })

  it('finds few shards sensible for a small study, and no more than there are chains for a long one', async () => {
    const counts = await Promise.all(
      [1, 100, 1e6].map(async (factor) => (await plan({}, {}, [rate('onnx-cpu', 2 / factor)])).sensibleShards)
    )
    expect(counts[0]).toBe(1)
    expect(counts[1]).toBeLessThanOrEqual(counts[2])
    expect(counts[2]).toBeLessThanOrEqual((await plan()).chains)
    expect(counts[2]).toBeGreaterThan(1)
    await expect(plan({ shards: 1000 })).rejects.toMatchObject({ kind: 'usage' })
  })

  it('says which engine the array will use, and what it was counted by', async () => {
    const automatic = await plan()
    expect(automatic.engine).toBe('onnx-cpu')
    expect(automatic.notes).toEqual([
      expect.stringContaining('will run on the CPU (onnx-cpu), because "auto" finds no GPU')
    ])
    const elsewhere = await plan({}, { engine: 'onnx-cuda' })
    expect(elsewhere.engine).toBe('onnx-cuda')
    expect(elsewhere.notes.join(' ')).toMatch(
      /--gres=gpu:1.*onnx-cuda is not available on this machine, so times are estimated for onnx-cpu/
    )
    const here = await plan({}, {}, [rate('onnx-cpu', 1), rate('onnx-cuda', 100)])
    expect([here.engine, here.notes.length]).toEqual(['onnx-cuda', 1])
    const inWindow = await plan({ reader: 'window' })
    expect(inWindow.notes).toEqual([expect.stringContaining('set “engine” to onnx-cuda in the form of the run.')])
    const gpuInWindow = await plan({ reader: 'window' }, { engine: 'onnx-cuda' })
    expect(gpuInWindow.notes[0]).toContain('add --gres=gpu:1 to the sbatch command')
    await expect(plan({}, { engine: 'abacus' })).rejects.toMatchObject({ kind: 'engine' })
  })

  it('has several shards a task above what an array may have', async () => {
    const { perTask, notes, timeLimit } = await plan({ shards: 7 }, {}, processor, 3)
    expect(perTask).toBe(3)
    expect(notes.join(' ')).toContain('MaxArraySize is 3), so each task runs 3 in turn')
    expect(timeLimit).toMatch(/^(\d+-)?\d\d:\d[05]:00$/)
    expect((await plan({ shards: 3 }, {}, processor, 3)).perTask).toBe(1)
  })

  it('writes times as sbatch takes them', () => {
    expect([600, 3600 * 5 + 300, 86_400 * 2 + 3600].map(slurmTime)).toEqual(['00:10:00', '05:05:00', '2-01:00:00'])
  })
})

describe('an engine of other machines', () => {
  it('is described without its version, and one that is here with it', async () => {
    expect((await describeElsewhere('reference')).version).not.toBe(unknownVersion)
    const elsewhere = await describeElsewhere('tfjs-gpu')
    expect([elsewhere.name, elsewhere.precision]).toEqual(['tfjs-gpu', 'float32'])
    await expect(describeElsewhere('abacus')).rejects.toMatchObject({ kind: 'engine' })
  })
})

describe('an address in the place of a path', () => {
  const parse = (...args: string[]): void => {
    const command = new Command('x')
      .argument('<folder>')
      .argument('[name]')
      .option('-o, --out <path>')
      .option('--label <words>')
    command
      .hook('preAction', (_, action) => refuseAddresses(action))
      .action(() => undefined)
      .parse(args, { from: 'user' })
  }

  it('is refused in one sentence, and nothing else is', () => {
    expect(() => parse('s3://bucket/study')).toThrow(
      expect.objectContaining({
        kind: 'usage',
        message: expect.stringMatching(/^folder: "s3:\/\/bucket\/study" is an address, .* give its path\.$/) as string
      })
    )
    expect(() => parse('here', '--out', 'gs://bucket')).toThrow(/^--out: "gs:/)
    for (const args of [
      ['here', 'hf://model'],
      ['C:\\data', '--out', 's3:/one'],
      ['./s3://odd', '--label', 'https://site']
    ])
      expect(() => parse(...args)).not.toThrow()
  })
})
