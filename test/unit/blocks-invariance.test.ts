import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { SampledBlocks } from '../../main/sampling/sampled'
import { sampleBlocks } from '../../main/sampling/blocks-sampler'
import { type BlocksInput, type ChainName, type SamplingTransport, chainNames } from '../../main/sampling/input'
import type { OpenLane } from '../../main/sampling/lane'
import { type SampledFile, joinSampled, openSampled, writeSampled } from '../../main/sampling/sampled-file'
import { sample } from '../../main/sampling/sample'
import type { Task, TaskKind } from '../../main/sampling/tasks'
import { SpectroscopeError } from '../../preload/errors'
import {
  type Outcome,
  type Together,
  blocksInput,
  estimates,
  kinds,
  limited,
  outcomeOf,
  polynomial,
  sampled,
  sampledPart,
  together,
  watched
} from './blocks-fake'
import { dyingLanes } from './sampling-fake'

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'blocks-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** With a checkpoint that is written only where something ends the run, or after every stage. */
const kept = (input: BlocksInput, everySeconds = 1e6): BlocksInput => {
  mkdirSync(join(folder, 'checkpoints'), { recursive: true })
  return { ...input, checkpoint: { folder: join(folder, 'checkpoints'), everySeconds, fingerprint: 'study' } }
}

const forget = (): void => rmSync(join(folder, 'checkpoints'), { recursive: true, force: true })

/** Numbers that look random, the same each time. */
const picking = (seed: number): ((waiting: number) => number) => {
  let state = seed
  return (waiting) => (state = (state * 48271) % 2147483647) % waiting
}

/** Tasks that a run takes. */
const countOf = async (input: BlocksInput, transport: SamplingTransport = {}): Promise<number> => {
  let count = 0
  await sampled(input, { ...transport, openLane: watched(transport.openLane ?? polynomial(), { done: () => count++ }) })
  return count
}

/** Interrupts when the n-th task is begun. */
const interruptedAt = async (input: BlocksInput, n: number, transport: SamplingTransport = {}): Promise<void> => {
  const controller = new AbortController()
  let count = 0
  const openLane = watched(transport.openLane ?? polynomial(), { begun: () => ++count === n && controller.abort() })
  await expect(
    sampleBlocks({ ...input, signal: controller.signal }, undefined, { ...transport, openLane })
  ).rejects.toMatchObject({ kind: 'interrupted' })
}

/** Which of so many tasks to try: all would take long. */
const places = (count: number, step: number): number[] => [
  ...Array.from({ length: Math.floor((count - 1) / step) + 1 }, (_, i) => 1 + i * step),
  count
]

describe.each(kinds)('a run of blocks has the same bits: %s', (_name, sampler) => {
  const input = blocksInput(sampler)
  let expected: Outcome
  beforeAll(async () => (expected = await sampled({ ...input, threads: 1 })))

  it('whatever the number of lanes and the order of work', async () => {
    for (const threads of [2, 3, 8]) expect(await sampled({ ...input, threads })).toEqual(expected)
    for (const seed of [1, 2]) {
      const pick = picking(seed)
      const late = polynomial(async () => {
        for (let turns = pick(4); turns > 0; turns--) await setImmediate()
        return 0
      })
      expect(await sampled({ ...input, threads: 3 }, { openLane: late, pick })).toEqual(expected)
    }
  })

  it('where some lanes only update, and where replicas are computed together', async () => {
    for (const [engine, threads] of [
      ['polynomial', 1],
      ['polynomial', 3],
      ['webgpu', 3]
    ] as const) {
      const asked: Together[] = []
      expect(await sampled({ ...input, engine, threads }, { openLane: together(asked) })).toEqual(expected)
      expect(asked.some(({ width }) => width > 1)).toBe(true)
      expect(asked.every(({ components, width }) => components.length === width)).toBe(true)
    }
  })

  it.each([1, 4 * 7 * 4 * 6 * 3])('where little is held of activations: %i bytes', async (stageBytes) => {
    const sizes: number[] = []
    for (const bytes of [stageBytes, 2 ** 30]) {
      const [prefixes, most] = [new Set<number>(), { held: 0 }]
      const openLane: OpenLane = async (run, kind) => {
        const lane = await polynomial()(run, kind)
        return {
          ...lane,
          share: (key, prefix) => {
            prefixes.add(key)
            most.held = Math.max(most.held, prefixes.size)
            lane.share(key, prefix)
          },
          release: (key) => {
            prefixes.delete(key)
            lane.release(key)
          }
        }
      }
      expect(await sampled({ ...input, threads: 1 }, { openLane, stageBytes: bytes })).toEqual(expected)
      expect(prefixes.size).toBe(0)
      sizes.push(most.held)
    }
    expect(sizes[0]).toBeLessThan(sizes[1])
  })

  it('in waves, with and without a folder for what is done', async () => {
    const waves = { waveBytes: 1 }
    expect(await sampled(input, waves)).toEqual(expected)
    const parts = await sampleBlocks(kept(input), undefined, { openLane: polynomial(), ...waves })
    // Two programs: heads of one layer go together.
    const files = (): string[] =>
      readdirSync(join(folder, 'checkpoints'))
        .filter((name) => name.endsWith('.blocks'))
        .sort()
    expect(files()).toEqual(['sampled-0.blocks', 'sampled-1.blocks'])
    expect(await outcomeOf(input, parts)).toEqual(expected)
    await parts.close!()
    // A crash before the matrix is stored goes on from them.
    expect(await sampled(kept(input), waves)).toEqual(expected)
  })

  it('where lanes die before they have begun a task', async () => {
    const tasks = new Map<TaskKind, number>()
    await sampled(
      { ...input, threads: 1 },
      { openLane: watched(polynomial(), { done: ({ kind }) => tasks.set(kind, (tasks.get(kind) ?? 0) + 1) }) }
    )
    expect(tasks.size).toBeGreaterThan(4)
    for (const [kind, count] of tasks) {
      for (const [nth, threads] of [
        [1, 1],
        [Math.ceil(count / 2), 3],
        [count, 2]
      ]) {
        const openLane = dyingLanes(polynomial(), (task: Task) => task.kind === kind, [nth], 'before')
        expect(await sampled({ ...input, threads }, { openLane }), `${kind} ${nth}`).toEqual(expected)
      }
    }
  })

  it('where a lane dies after a task, done again if that changes nothing, or gone on with from a checkpoint', async () => {
    const isChanging = (task: Task): boolean =>
      task.kind === 'pair' || task.kind === 'direction' || (task.kind === 'slopes' && task.indices !== null)
    const found = new Map<TaskKind, number>()
    const noting = watched(polynomial(), {
      done: (task) => isChanging(task) && found.set(task.kind, (found.get(task.kind) ?? 0) + 1)
    })
    await sampled({ ...input, threads: 1 }, { openLane: noting })
    expect([...found.keys()].sort()).toEqual([
      'direction',
      ...(sampler.method === 'first-order' ? ['pair'] : []),
      'slopes'
    ])
    for (const [kind, count] of found) {
      const openLane = (nth: number): OpenLane =>
        dyingLanes(polynomial(), (task) => task.kind === kind && isChanging(task), [nth], 'after')
      // With the checkpoints of every stage, and with none but what is kept when the engine has failed.
      for (const [nth, everySeconds] of [
        [2, 0],
        [Math.ceil(count / 2), 1e6],
        [count, 0]
      ]) {
        forget()
        await expect(
          sampleBlocks({ ...kept(input, everySeconds), threads: 2 }, undefined, { openLane: openLane(nth) }),
          `${kind} ${nth}`
        ).rejects.toMatchObject({
          kind: 'engine',
          message: expect.stringMatching(/ended at .*, block \d.*\(out of memory\); resume the run/)
        })
        expect(await sampled(kept(input)), `${kind} ${nth}`).toEqual(expected)
      }
    }
    for (const kind of ['base', 'baseLosses', 'rowLosses', 'prefix', 'operations']) {
      expect(
        await sampled(
          { ...input, threads: 2 },
          { openLane: dyingLanes(polynomial(), (task) => task.kind === kind, [1], 'after') }
        ),
        kind
      ).toEqual(expected)
    }
  })

  it('where the engine fails anywhere, and most of what was done is kept', async () => {
    const all = await countOf(input)
    for (const share of [0.3, 0.6, 0.9]) {
      forget()
      let tasks = 0
      const leaving: OpenLane = async (run, kind) => {
        const lane = await polynomial()(run, kind)
        return {
          ...lane,
          run: (task) =>
            ++tasks > share * all
              ? Promise.reject(new SpectroscopeError('engine', 'The device is gone; resume the run.'))
              : lane.run(task)
        }
      }
      await expect(sampleBlocks(kept(input), undefined, { openLane: leaving })).rejects.toMatchObject({
        kind: 'engine',
        message: 'The device is gone; resume the run.'
      })
      let left = 0
      expect(await sampled(kept(input), { openLane: watched(polynomial(), { done: () => left++ }) })).toEqual(expected)
      expect(left).toBeLessThan((1 - share + 0.25) * all)
    }
  })

  it('interrupted anywhere, and gone on with otherwise', async () => {
    const count = await countOf(input)
    for (const n of places(count, 23)) {
      forget()
      await interruptedAt({ ...kept(input), threads: 1 + (n % 3) }, n, n % 2 === 0 ? {} : { stageBytes: 1 })
      const transport = n % 3 === 0 ? { openLane: together() } : { stageBytes: n % 3 === 1 ? 1 : 2 ** 30 }
      expect(
        await sampled({ ...kept(input), threads: n % 2 === 0 ? 3 : 1 }, transport),
        `task ${n} of ${count}`
      ).toEqual(expected)
    }
  })

  it('interrupted anywhere in any of its waves', async () => {
    const waves = { waveBytes: 1 }
    const count = await countOf(input, waves)
    for (const n of places(count, 61)) {
      forget()
      await interruptedAt(kept(input), n, waves)
      // As where it was killed before a checkpoint of the wave at work.
      const names = n % 2 === 0 ? readdirSync(join(folder, 'checkpoints')) : []
      for (const name of names) if (name.endsWith('.checkpoint')) rmSync(join(folder, 'checkpoints', name))
      expect(await sampled({ ...kept(input), threads: 1 }, waves), `task ${n} of ${count}`).toEqual(expected)
    }
  })

  it('interrupted again and again', async () => {
    let interruptions = 0
    const attempt = async (): Promise<boolean> => {
      const controller = new AbortController()
      let count = 0
      const openLane = watched(polynomial(), { begun: () => ++count === 23 && controller.abort() })
      return sampleBlocks({ ...kept(input, interruptions % 2 === 0 ? 0 : 1e6), signal: controller.signal }, undefined, {
        openLane,
        waveBytes: 1
      }).then(
        async ({ close }) => {
          await close!()
          return true
        },
        (error: unknown) => {
          expect(error).toMatchObject({ kind: 'interrupted' })
          return false
        }
      )
    }
    while (!(await attempt())) expect(++interruptions).toBeLessThan(100)
    expect(interruptions).toBeGreaterThan(2)
    expect(await sampled(kept(input), { waveBytes: 1 })).toEqual(expected)
  })

  const dealt = (count: number): ChainName[][] =>
    Array.from({ length: count }, (_, part) => chainNames(input).filter((_chain, i) => i % count === part))

  it.each([2, 5, 12])('in %i pieces, each a file of its own', async (count) => {
    const files: SampledFile<SampledBlocks, object>[] = []
    for (const [piece, chosen] of dealt(count).entries()) {
      const path = join(folder, `piece ${piece}`)
      await writeSampled(
        path,
        { piece },
        await sampleBlocks({ ...input, threads: 1 + (piece % 2) }, chosen, { openLane: polynomial() })
      )
      files.push(await openSampled<SampledBlocks, object>(path))
    }
    const joined = joinSampled(chainNames(input), files)
    expect(await outcomeOf(input, joined)).toEqual(expected)
    for (const file of files) await file.close()
  })

  it('measured from the same loss at w*, whichever components a piece has', async () => {
    const offsets = new Map([
      ['head:0.1', 0.25],
      ['mlp:1', 0.5],
      ['head:0.0', 0.125]
    ])
    const openLane = polynomial(({ kind, component }) => (kind === 'losses' ? offsets.get(component)! : 0))
    const { initialLoss } = await sampled(input, { openLane })
    for (const chosen of dealt(12))
      expect((await sampledPart(input, chosen, { openLane })).initialLoss).toBe(initialLoss)
    expect((await sampled(input, { openLane, waveBytes: 1 })).initialLoss).toBe(initialLoss)
  })

  it('in a piece that is interrupted', async () => {
    const [chosen] = dealt(5)
    const whole = await sampledPart(input, chosen)
    for (const n of [5, 12, 19]) {
      forget()
      const controller = new AbortController()
      let tasks = 0
      const openLane = watched(polynomial(), { begun: () => ++tasks === n && controller.abort() })
      await expect(
        sampleBlocks({ ...kept(input), signal: controller.signal }, chosen, { openLane })
      ).rejects.toMatchObject({ kind: 'interrupted' })
      expect(await sampledPart(kept(input), chosen)).toEqual(whole)
    }
  })

  it('continued from one round to three', async () => {
    const [one, three] = [
      { ...input, sampler: limited(sampler, 1) },
      { ...input, sampler: limited(sampler, 3) }
    ]
    const atOnce = await sampled(three)
    expect(atOnce.blocks.every(({ record }) => record.observedSlopes.length === 3)).toBe(true)
    const path = join(folder, 'sums')
    await writeSampled(path, {}, await sampleBlocks(one, undefined, { openLane: polynomial() }))
    const begun = await openSampled<SampledBlocks, object>(path)
    expect(await sampled({ ...three, begun })).toEqual(atOnce)
    expect(await sampled({ ...three, begun, threads: 1 }, { waveBytes: 1, stageBytes: 1 })).toEqual(atOnce)
    const count = await countOf({ ...three, begun })
    for (const n of places(count, 41)) {
      forget()
      await interruptedAt({ ...kept(three), begun }, n)
      expect(await sampled({ ...kept(three), begun }), `task ${n} of ${count}`).toEqual(atOnce)
    }
    // Its sums are those of the run that it came from: they are not changed.
    expect(await outcomeOf(one, begun)).toEqual(await sampled(one))
    await begun.close()
  })

  it('continued by pieces', async () => {
    const [one, three] = [
      { ...input, sampler: limited(sampler, 1) },
      { ...input, sampler: limited(sampler, 3) }
    ]
    const begun = await sampleBlocks(one, undefined, { openLane: polynomial() })
    const parts: SampledBlocks[] = []
    for (const chosen of dealt(5))
      parts.push(await sampleBlocks({ ...three, begun }, chosen, { openLane: polynomial() }))
    expect(await outcomeOf(three, joinSampled(chainNames(three), parts))).toEqual(await sampled(three))
  })
})

describe('checkpoints of blocks', () => {
  const [, sampler] = kinds[0]
  const input = blocksInput(sampler)

  it('of another seed, setting or study are not used', async () => {
    await interruptedAt(kept(input), 60)
    const same = kept(input)
    const others: BlocksInput[] = [
      { ...same, seed: 5 },
      kept({ ...input, sampler: { ...sampler, gamma: 301 } }),
      kept({ ...input, sampler: limited(sampler, 3) }),
      { ...same, checkpoint: { ...same.checkpoint!, fingerprint: 'another study' } }
    ]
    for (const other of others) {
      const { checkpoint: _, ...fresh } = other
      expect((await sampled(other)).result).toEqual((await sampled(fresh)).result)
    }
  })

  it('are left where a run ends, and say so where there is none', async () => {
    await interruptedAt(kept(input), 60)
    expect(existsSync(join(folder, 'checkpoints'))).toBe(true)
    const controller = new AbortController()
    const openLane = watched(polynomial(), { begun: ({ kind }) => kind === 'slopes' && controller.abort() })
    await expect(sampleBlocks({ ...input, signal: controller.signal }, undefined, { openLane })).rejects.toMatchObject({
      kind: 'interrupted',
      message: expect.stringMatching(/interrupted in round 1; there is no checkpoint/)
    })
  })

  it.skipIf(!existsSync('/proc/self/fd'))('leave no file open when a later wave is interrupted or fails', async () => {
    const open = (): string[] =>
      readdirSync('/proc/self/fd').flatMap((descriptor) => {
        try {
          return [readlinkSync(`/proc/self/fd/${descriptor}`)].filter((path) => path.startsWith(folder))
        } catch {
          return []
        }
      })
    const waves = { waveBytes: 1 }
    await interruptedAt(kept(input), (await countOf(input, waves)) - 1, waves)
    expect(open()).toEqual([])
    forget()
    const failing = polynomial(({ component, kind }) => {
      if (component === 'mlp:1' && kind === 'gradient') throw new Error('no memory')
      return 0
    })
    await expect(sampleBlocks(kept(input), undefined, { openLane: failing, ...waves })).rejects.toMatchObject({
      kind: 'engine',
      message: expect.stringMatching(/mlp:1, block \d.*no memory/)
    })
    expect(open()).toEqual([])
  })

  it('lead to the estimates of `sample`', async () => {
    await interruptedAt(kept(input), 60)
    const result = await sample(kept(input), { openLane: polynomial() })
    expect(result).toEqual(await estimates(input, await sampleBlocks(input, undefined, { openLane: polynomial() })))
  })
})
