import { type Bound, type Executor, OutOfDeviceMemory, type Program, type Resident, size } from '../core'
import { type ExecutorCalls, type SentInput, type Short, graphOf } from './messages'

type Answers<Options> = {
  readonly [K in keyof ExecutorCalls<Options>]: (
    parameters: ExecutorCalls<Options>[K]['parameters']
  ) => ExecutorCalls<Options>[K]['result'] | Promise<ExecutorCalls<Options>[K]['result']>
}

const orShort = async <T>(work: () => Promise<T>): Promise<T | Short> => {
  try {
    return await work()
  } catch (error) {
    if (error instanceof OutOfDeviceMemory) return { short: error.message }
    throw error
  }
}

/** Answers the calls of a `ProcessExecutor` elsewhere. `open` creates this process's executor, once. */
export const executorHandlers = <Options>(
  open: (options: Options) => Executor | Promise<Executor>
): Answers<Options> => {
  let executor: Executor | undefined
  const arriving = new Map<number, Float32Array>()
  const residents = new Map<number, Resident>()
  const programs = new Map<number, Program>()

  const have = <T>(value: T | undefined, what: string): T => {
    if (value === undefined) throw new Error(`the process has no ${what}`)
    return value
  }

  const bound = (input: SentInput): Bound =>
    ArrayBuffer.isView(input) ? input : have(residents.get(input.resident), `resident ${input.resident}`)

  return {
    open: async (options) => {
      executor = await open(options)
      return executor.description
    },
    putResident: ({ key, shape, offset, values }) => {
      const data = arriving.get(key) ?? new Float32Array(size(shape))
      data.set(values, offset)
      arriving.set(key, data)
      if (offset + values.length < data.length) return null
      arriving.delete(key)
      residents.set(key, have(executor, 'executor').resident(data, shape))
      return null
    },
    dropResident: ({ key }) => {
      have(executor, 'executor').drop(have(residents.get(key), `resident ${key}`))
      residents.delete(key)
      return null
    },
    compile: ({ key, graph }) =>
      orShort(async () => {
        programs.set(key, await have(executor, 'executor').compile(graphOf(graph)))
        return null
      }),
    run: ({ program, inputs }) =>
      orShort(() =>
        have(programs.get(program), `program ${program}`).run(
          Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, bound(input)]))
        )
      ),
    release: async ({ program }) => {
      await have(programs.get(program), `program ${program}`).dispose()
      programs.delete(program)
      return null
    }
  }
}
