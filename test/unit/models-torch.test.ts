import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadModel, outlineModel } from '../../main/models/load'
import { readHeader, readTensors } from '../../main/models/safetensors'
import { readTorchEntries } from '../../main/models/torch'
import { readEntries } from '../../main/models/weight-files'
import { SpectroscopeError } from '../../preload/errors'
import { hash } from '../host/random'
import { describeWithShared, sharedPath } from '../shared'
import { failure, temporaryFolder } from './models-fixtures'

const folder = (name: string): string => sharedPath('fixtures', 'torch-bin', name)
const bin = (name: string): string => join(folder(name), 'pytorch_model.bin')

type Values = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>

const truth = async (): Promise<Values> => {
  const path = join(folder('truth'), 'model.safetensors')
  return readTensors(path, await readHeader(path))
}

const named = /^(_orig_mod\.|module\.)/
const isWeight = (name: string): boolean => !/\.attention\.(masked_)?bias$|inv_freq$/.test(name)

/** Weights of a torch file by the names of the true ones. */
const weightsOf = async (path: string): Promise<Values> => {
  const entries = (await readTorchEntries(path)).filter(({ name }) => isWeight(name))
  return readTensors(path, entries)
}

const expectEqual = (found: Values, expected: Values, tolerance: number): void => {
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort())
  for (const [name, { shape, data }] of expected) {
    expect([name, ...found.get(name)!.shape]).toEqual([name, ...shape])
    const difference = found.get(name)!.data.reduce((most, value, i) => Math.max(most, Math.abs(value - data[i])), 0)
    expect(difference, name).toBeLessThanOrEqual(tolerance)
  }
}

describeWithShared('a state dictionary that torch has written', () => {
  it.each([
    ['plain', 0],
    ['protocol-4', 0],
    ['legacy', 0],
    ['shared-storage', 0],
    ['legacy-shared-storage', 0],
    ['transposed-strides', 0],
    ['parameters', 0],
    ['float64', 0],
    ['pythia-buffers', 0],
    ['byte-mask', 0],
    ['float16', 1e-3],
    ['bfloat16', 1e-2]
  ])('is read as it is meant: %s', async (name, tolerance) => {
    expectEqual(await weightsOf(bin(name)), await truth(), tolerance)
  })

  it.each(['compiled-prefix', 'ddp-prefix', 'names-in-memory', 'base-model-without-prefix'])(
    'is read under the names in the file: %s',
    async (name) => {
      const found = [...(await weightsOf(bin(name)))].map(([given, tensor]) => {
        const bare = given.replace(named, '').replace('lm_head', 'embed_out')
        return [/^(gpt_neox|embed_out)\./.test(bare) ? bare : `gpt_neox.${bare}`, tensor] as const
      })
      expectEqual(new Map(found), await truth(), 0)
    }
  )

  it('makes a model, alone, in shards, or beside safetensors, which count', async () => {
    const expected = (await loadModel(folder('truth'))).weights
    for (const name of ['plain', 'legacy', 'pythia-buffers', 'sharded', 'compiled-prefix', 'bin-beside-safetensors'])
      expectEqual((await loadModel(folder(name))).weights, expected, 0)
    const { files, bytes } = await outlineModel(folder('sharded'))
    expect(files).toHaveLength(3)
    expect(bytes).toBe(4 * [...expected.values()].reduce((sum, { data }) => sum + data.length, 0))
    expect((await outlineModel(folder('bin-beside-safetensors'))).files[0]).toMatch(/model\.safetensors$/)
  })

  it('may be another checkpoint of a model', async () => {
    const { weights } = await loadModel(folder('truth'), bin('bin-beside-safetensors'))
    const [name, { data }] = [...(await truth())][0]
    expect(weights.get(name)!.data[3]).toBeCloseTo(data[3] + 1, 5)
  })
})

describeWithShared('a file of torch that is no state dictionary', () => {
  const cases: [string, RegExp][] = [
    ['training-checkpoint', /training checkpoint whose weights are under "model_state_dict"; save them alone with /],
    ['whole-module', /asks for torch\.nn\.modules\.container\.Sequential: it holds a whole module.*; save it again/],
    ['numpy', /asks for numpy\._core\.multiarray\._reconstruct: it holds NumPy arrays, not tensors; convert them/],
    ['quantised', /asks for torch\._utils\._rebuild_qtensor: it holds quantised tensors; use the weights from before/],
    ['calls-system', /asks for posix\.system, .*nothing was run: do not load it/],
    ['calls-eval', /asks for (__builtin__|builtins)\.eval, .*nothing was run: do not load it/]
  ]
  it.each(cases)('is refused, with what it is and what to do: %s', async (name, message) => {
    const path = bin(`refused-${name}`)
    for (const attempt of [() => readTorchEntries(path), () => loadModel(folder(`refused-${name}`))]) {
      const error = await failure(attempt())
      expect(error.kind).toBe('input')
      expect(error.message).toMatch(message)
      expect(error.message.startsWith(`${path}: `)).toBe(true)
      expect(error.message).toMatch(/^[^\n]*\.$/)
    }
    expect(existsSync('/tmp/pickle-was-run')).toBe(false)
  })
})

const text = (value: string): number[] => [0x58, value.length, 0, 0, 0, ...Buffer.from(value)]
const global = (module: string, name: string): number[] => [0x63, ...Buffer.from(`${module}\n${name}\n`)]
const uint32 = (value: number): number[] => [...new Uint8Array(Uint32Array.of(value).buffer)]

const root = temporaryFolder()
const place = (bytes: Uint8Array): string => {
  const path = join(mkdtempSync(join(root, 'torch-')), 'pytorch_model.bin')
  writeFileSync(path, bytes)
  return path
}

/** A file as before ZIP archives: its beginning, the steps of the value, the keys of storages, and storages. */
const legacy = (value: readonly number[], system: readonly number[] = [0x7d], rest: readonly number[] = []): string => {
  const pickle = (steps: readonly number[]): number[] => [0x80, 2, ...steps, 0x2e]
  const magic = [0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]
  const parts = [pickle(magic), pickle([0x4d, 0xe9, 3]), pickle(system), pickle(value)]
  return place(Uint8Array.from([...parts.flat(), ...pickle([0x5d, ...text('0'), 0x61]), ...rest]))
}

/** The steps of a dictionary of one float32 tensor. */
const tensor = (sizes: readonly number[], strides: readonly number[], elements: number, offset = 0): number[] => {
  const counts = (values: readonly number[]): number[] => [
    0x28,
    ...values.flatMap((one) => [0x4a, ...uint32(one)]),
    0x74
  ]
  const storage = [0x28, ...text('storage'), ...global('torch', 'FloatStorage'), ...text('0'), ...text('cpu')]
  const id = [...storage, 0x4a, ...uint32(elements), 0x74, 0x51]
  const made = [...global('torch._utils', '_rebuild_tensor_v2'), 0x28, ...id, 0x4a, ...uint32(offset)]
  return [0x7d, ...text('w'), ...made, ...counts(sizes), ...counts(strides), 0x74, 0x52, 0x73]
}

const storage = (values: readonly number[]): number[] => [
  ...uint32(values.length),
  ...uint32(0),
  ...new Uint8Array(Float32Array.from(values).buffer)
]

describe('a tensor of torch', () => {
  const read = async (...given: Parameters<typeof tensor>): Promise<number[]> => {
    const path = legacy(tensor(...given), [0x7d], storage([0, 1, 2, 3, 4, 5]))
    return [...(await readTensors(path, await readTorchEntries(path))).get('w')!.data]
  }

  it('is a view of its storage, of any strides', async () => {
    expect(await read([2, 3], [3, 1], 6)).toEqual([0, 1, 2, 3, 4, 5])
    expect(await read([3, 2], [1, 3], 6)).toEqual([0, 3, 1, 4, 2, 5])
    expect(await read([2, 2], [2, 2], 6, 1)).toEqual([1, 3, 3, 5])
    expect(await read([2, 3], [0, 1], 6, 3)).toEqual([3, 4, 5, 3, 4, 5])
    expect(await read([1, 2, 2], [9, 1, 2], 6)).toEqual([0, 2, 1, 3])
    expect(await read([], [], 6, 4)).toEqual([4])
    expect(await read([0, 3], [3, 1], 6)).toEqual([])
  })

  it.each([
    ['goes past its storage', tensor([2, 4], [3, 1], 6), /"w" of shape \[2, 4\] goes past the end of its storage/],
    [
      'has more elements than can be counted',
      tensor(new Array<number>(9).fill(2 ** 30), new Array<number>(9).fill(0), 6),
      /"w" of shape/
    ],
    [
      'claims another storage than there is',
      tensor([2], [1], 2 ** 30),
      /needs a storage of 4294967296 bytes, and the file has 24/
    ]
  ])('is refused where it %s', async (_, steps, message) => {
    expect((await failure(readTorchEntries(legacy(steps, [0x7d], storage([0, 1, 2, 3, 4, 5]))))).message).toMatch(
      message
    )
  })

  it('is refused where its numbers are big-endian', async () => {
    const system = [0x7d, ...text('little_endian'), 0x89, 0x73]
    const error = await failure(readTorchEntries(legacy(tensor([1], [1], 1), system, storage([0]))))
    expect(error.message).toMatch(/its numbers are big-endian; load it with torch on a machine like the one/)
  })
})

describe('a pickle of someone who means harm', () => {
  const broken = async (...given: Parameters<typeof legacy>): Promise<string> =>
    (await failure(readTorchEntries(legacy(...given)))).message

  it('is refused where it is nested deeply or holds too much, at once', async () => {
    expect(await broken(new Array<number>(100_000).fill(0x28))).toMatch(/nested deeper than 1,000 levels/)
    expect(await broken([0x5d, ...new Array<number>(1_100_000).fill(0x7d)])).toMatch(/holds more than 1,000,000 lists/)
  })

  it('is refused where it copies the same pairs again and again', async () => {
    const pairs = [0x5d, 0x28, ...new Array<number[]>(10_000).fill([0x4b, 1, 0x4b, 2, 0x86]).flat(), 0x65, 0x71, 1]
    const ordered = [...global('collections', 'OrderedDict'), 0x71, 2]
    const copies = new Array<number[]>(10_000).fill([0x68, 2, 0x68, 1, 0x85, 0x52]).flat()
    expect(await broken([...pairs, ...ordered, ...copies])).toMatch(/holds more than 1,000,000 lists/)
  })

  it('makes no objects of other kinds, and sets no attributes', async () => {
    expect(await broken([...global('torch', 'FloatStorage'), 0x29, 0x81])).toMatch(/has the step 0x81, which no state/)
    expect(await broken([...global('torch', 'FloatStorage'), 0x29, 0x52])).toMatch(/calls what cannot be called/)
    expect(await broken([0x5d, 0x7d, 0x62])).toMatch(/sets attributes of what has none/)
    expect(await broken([...global('torch', 'constructor')])).toMatch(/asks for torch\.constructor/)
    expect(await broken([0x80, 9])).toMatch(/its pickle is of version 9/)
  })

  it('says what lies in place of tensors', async () => {
    expect(await broken([0x5d])).toMatch(/it holds a list, not a state dictionary/)
    expect(await broken([0x7d, ...text('step'), 0x4b, 3, 0x73])).toMatch(/it holds a number under "step"/)
    expect(await broken([0x7d])).toMatch(/it holds nothing/)
  })
})

/** Draws whole numbers below a bound, always the same for a seed. */
const numbers = (seed: number): ((below: number) => number) => {
  let drawn = 0
  return (below) => Math.floor(hash(seed, drawn++) * below)
}

/** A file with some bytes changed, some left out or doubled, or its end cut off; mostly where its pickle is. */
const mutated = (bytes: Buffer, draw: (below: number) => number): Buffer => {
  let result = Buffer.from(bytes)
  for (let changes = 1 + draw(4); changes > 0; changes--) {
    const at = draw(3) === 0 ? draw(result.length) : draw(Math.min(6000, result.length))
    const length = 1 + draw(8)
    switch (draw(6)) {
      case 0:
        result = result.subarray(0, at)
        break
      case 1:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + length)])
        break
      case 2:
        result = Buffer.concat([result.subarray(0, at + length), result.subarray(at)])
        break
      case 3:
        for (let i = at; i < Math.min(at + length, result.length); i++) result[i] = [0, 0xff, 0x7f, 0x80][draw(4)]
        break
      default:
        result[at] = draw(256)
    }
    if (result.length === 0) return result
  }
  return result
}

describeWithShared('a damaged file of torch', () => {
  const names = readdirSync(sharedPath('fixtures', 'torch-bin')).filter((name) => existsSync(bin(name)))
  const rounds = 60

  it('is read, or refused in one sentence', { timeout: 120_000 }, async () => {
    let [read, refused] = [0, 0]
    for (const [i, name] of names.entries()) {
      const whole = readFileSync(bin(name))
      for (let round = 0; round < rounds; round++) {
        const path = place(mutated(whole, numbers(1000 * i + round)))
        try {
          await readTensors(
            path,
            (await readEntries(path)).filter(({ dtype }) => /^B?F\d/.test(dtype))
          )
          read++
        } catch (error) {
          const where = `${name}, round ${round}`
          if (!(error instanceof SpectroscopeError)) throw new Error(where, { cause: error })
          expect([where, error.kind, error.message.startsWith(path)]).toEqual([where, 'input', true])
          expect(error.message, where).toMatch(/^[^\n]*\.$/)
          refused++
        }
      }
    }
    expect(read).toBeGreaterThan(50)
    expect(refused).toBeGreaterThan(500)
    expect(existsSync('/tmp/pickle-was-run')).toBe(false)
  })

  it('is refused at whatever byte it is cut off', async () => {
    for (const name of ['plain', 'legacy']) {
      const whole = readFileSync(bin(name))
      for (let length = 0; length < whole.length; length += 977) {
        const error = await failure(readTorchEntries(place(whole.subarray(0, length))))
        expect([name, length, error.kind]).toEqual([name, length, 'input'])
      }
    }
  })
})
