import { serveParent } from '../../base/processes'
import { type Bound, type Program, type Resident } from '../executor'
import { size } from '../graph'
import { TfjsExecutor } from './executor'
import type { SentInput, TfjsCalls } from './messages'

let executor: TfjsExecutor | undefined
const arriving = new Map<number, Float32Array>()
const residents = new Map<number, Resident>()
const programs = new Map<number, Program>()

const have = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw new Error(`the TensorFlow.js process has no ${what}`)
  return value
}

const bound = (input: SentInput): Bound => (ArrayBuffer.isView(input) ? input : have(residents.get(input.resident), `resident ${input.resident}`))

process.title = 'spectroscope tfjs'

serveParent<TfjsCalls>({
  open: async ({ backend }) => {
    executor = await TfjsExecutor.open(backend)
    return executor.description
  },
  putResident: ({ key, shape, offset, values }) => {
    const data = arriving.get(key) ?? new Float32Array(size(shape))
    data.set(values, offset)
    arriving.set(key, data)
    if (offset + values.length < data.length) return null
    arriving.delete(key)
    residents.set(key, have(executor, 'backend').resident(data, shape))
    return null
  },
  compile: async ({ key, graph }) => {
    programs.set(key, await have(executor, 'backend').compile(graph))
    return null
  },
  run: ({ program, inputs }) => have(programs.get(program), `program ${program}`).run(Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, bound(input)]))),
  release: async ({ program }) => {
    await have(programs.get(program), `program ${program}`).dispose()
    programs.delete(program)
    return null
  }
})
