import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { Model } from '../../main/models/architecture'
import { allComponentNames, componentSlices, flatten } from '../../main/models/components'
import { componentNamed, devinterpName } from '../../preload/devinterp-names'
import { loadModel } from '../../main/models/load'
import { norm } from '../engine-models'
import { evaluatorOn, executorCases, slow } from '../executors'
import { hasShared, sharedPath } from '../shared'

/** What transformers says of a model in float64. */
interface Expected {
  readonly ids: readonly (readonly number[])[]
  readonly losses: readonly (readonly number[])[]
  /** Number of weights of a component, and the norm of the mean loss's gradient with respect to them. */
  readonly components: Readonly<Record<string, { readonly weights: number; readonly gradient: number }>>
}

/** The same as devinterp says it, or why it does not. */
interface FromDevinterp extends Omit<Expected, 'components'> {
  readonly restrictions: Readonly<
    Record<string, string | { readonly weights: Readonly<Record<string, number>>; readonly gradient: number }>
  >
}

const own = fileURLToPath(new URL('architectures', import.meta.url))
const shared = sharedPath('fixtures/architectures')

const read = <T>(folder: string): Readonly<Record<string, T>> =>
  JSON.parse(readFileSync(`${folder}/expected.json`, 'utf8')) as Readonly<Record<string, T>>

const total = (weights: Readonly<Record<string, number>>): number =>
  Object.values(weights).reduce((sum, count) => sum + count, 0)

/**
 * devinterp divides the width of the stream by the heads where a configuration has another `head_dim`, and so frees
 * other rows of keys and values than those of the head's group.
 */
const isRight = (model: string, restriction: string): boolean => model !== 'llama-3-rope' || !restriction.includes('h')

const fromDevinterp = (model: string, { restrictions, ...rows }: FromDevinterp): Expected => ({
  ...rows,
  components: Object.fromEntries(
    Object.entries(restrictions).flatMap(([name, found]) =>
      typeof found === 'string' || !isRight(model, name)
        ? []
        : [[componentNamed(name), { weights: total(found.weights), gradient: found.gradient }]]
    )
  )
})

const models: readonly (readonly [name: string, folder: string, expected: Expected])[] = [
  ...Object.entries(read<Expected>(own)).map(([name, expected]) => [name, `${own}/${name}`, expected] as const),
  ...(hasShared && existsSync(shared) ? Object.entries(read<FromDevinterp>(shared)) : []).map(
    ([name, given]) => [name, `${shared}/${name}`, fromDevinterp(name, given)] as const
  )
]

const rowsOf = ({ ids }: Expected) => ({
  ids: Int32Array.from(ids.flat()),
  count: ids.length,
  length: ids[0].length
})

const weightsOf = ({ architecture, weights }: Model, component: string): Float32Array =>
  flatten(weights, componentSlices(architecture, weights, component))

const largestDifference = (a: Float32Array, b: readonly number[]): number =>
  a.reduce((most, x, at) => Math.max(most, Math.abs(x - b[at])), 0)

/** Compares an engine with what transformers says, whole rows at once or layer by layer. */
const compare = async (engine: string, folder: string, expected: Expected, layerwise: boolean): Promise<void> => {
  const model = await loadModel(folder)
  const { architecture, weights } = model
  const evaluator = await evaluatorOn(engine, architecture, weights, layerwise ? () => true : undefined)
  const losses = expected.losses.flat()
  const prefix = await evaluator.prefix(rowsOf(expected))
  for (const component of ['embed', ...Object.keys(expected.components)]) {
    const u = weightsOf(model, component)
    expect(largestDifference(await evaluator.losses(component, u, prefix), losses), component).toBeLessThan(1e-5)
  }
  for (const [component, { weights: count, gradient }] of Object.entries(expected.components)) {
    const u = weightsOf(model, component)
    expect(u.length, component).toBe(count)
    const sum = new Float32Array(u.length)
    await evaluator.gradient(component, u, prefix, sum)
    expect(Math.abs(norm(sum) / losses.length / gradient - 1), component).toBeLessThan(1e-4)
  }
  await evaluator.dispose()
}

const engines = [{ name: 'reference', title: 'reference', skipped: false }, ...executorCases]

describe.each(engines)('$title has the losses and gradients of transformers', ({ name, skipped }) => {
  const own = slow.includes(name) ? models.filter(([model]) => ['gemma2', 'olmo2'].includes(model)) : models
  it.skipIf(skipped).each(own)('%s', async (_, folder, expected) => {
    await compare(name, folder, expected, false)
  })
  it.skipIf(skipped || slow.includes(name) || name === 'reference').each(own)(
    '%s, layer by layer',
    async (_, folder, expected) => {
      await compare(name, folder, expected, true)
    }
  )
})

describe.skipIf(hasShared)('the models beside a maintainer’s checkout', () => {
  it.skip('are skipped: the development data is not beside this checkout', () => undefined)
})

describe('replicas together on a device', () => {
  it.each(models)('have the gradients of each alone, of %s', async (_, folder, expected) => {
    const model = await loadModel(folder)
    const { architecture, weights } = model
    const evaluator = await evaluatorOn('onnx-cpu, as for CUDA', architecture, weights)
    const prefix = await evaluator.prefix(rowsOf(expected))
    const names = allComponentNames(architecture)
    for (const kind of ['head:1.', 'group:1.', 'mlp:1', 'embed', 'unembed']) {
      const components = names.filter((name) => name.startsWith(kind))
      if (components.length === 0) continue
      const replicas = components.flatMap((component) =>
        [1, 0.97].map((factor) => ({ component, weights: weightsOf(model, component).map((x) => factor * x) }))
      )
      const gradients = replicas.map(({ weights: u }) => new Float32Array(u.length))
      const together = await evaluator.stacked!.losses(replicas, replicas.length, prefix)
      await evaluator.stacked!.gradient(replicas, replicas.length, prefix, gradients)
      for (const [at, { component, weights: u }] of replicas.entries()) {
        const alone = new Float32Array(u.length)
        await evaluator.gradient(component, u, prefix, alone)
        const losses = await evaluator.losses(component, u, prefix)
        expect(largestDifference(together[at], [...losses]), component).toBeLessThan(1e-5)
        expect(largestDifference(gradients[at], [...alone]) / norm(alone), component).toBeLessThan(1e-5)
      }
    }
    await evaluator.dispose()
  })
})

describe("devinterp's names", () => {
  it.each([
    ['head:2.13', 'l2h13'],
    ['group:0.1', 'l0g1'],
    ['mlp:11', 'l11 mlp'],
    ['embed', 'embed'],
    ['unembed', 'unembed'],
    ['full', 'full']
  ])('%s is %s there', (component, name) => {
    expect(devinterpName(component)).toBe(name)
    expect(componentNamed(name)).toBe(component)
  })
})
