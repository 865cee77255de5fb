import { createRequire } from 'node:module'
import type * as Koffi from 'koffi'
import { messageOf, SpectroscopeError } from '../../../preload/errors'
import { type Provider, libraryPath, loadingRemedy } from './package'

/** A C pointer; `null` is the null pointer. */
export type Pointer = bigint

type Given = Pointer | number | string | ArrayBufferView | readonly (number | bigint | string | null)[] | null

/** A function of the API. Its status, if not success, becomes an error. */
interface Call {
  (...given: readonly Given[]): void
  /** Runs in another thread, so that this one can continue. Arguments are kept alive meanwhile. */
  readonly apart: (...given: readonly Given[]) => Promise<void>
}

/** A function as provided by koffi. */
interface Native {
  (...given: readonly Given[]): unknown
  async(...given: readonly [...Given[], (error: unknown, result: unknown) => void]): void
}

/** Functions by their fixed position in `OrtApi` (onnxruntime_c_api.h), with their parameters. */
const functions = {
  createEnvironment: [3, 'int', 'str', 'out'],
  createSession: [8, 'in', 'in', 'size_t', 'in', 'out'],
  run: [9, 'in', 'in', 'words', 'pointers', 'size_t', 'words', 'size_t', 'pointers'],
  createSessionOptions: [10, 'out'],
  disableMemoryPatterns: [17, 'in'],
  setLogSeverity: [22, 'in', 'int'],
  setOptimization: [23, 'in', 'int'],
  setThreadsWithin: [24, 'in', 'int'],
  setThreadsBetween: [25, 'in', 'int'],
  createTensor: [49, 'in', 'in', 'size_t', 'shape', 'size_t', 'int', 'out'],
  createMemory: [68, 'str', 'int', 'int', 'int', 'out'],
  free: [76, 'in', 'in'],
  defaultAllocator: [78, 'out'],
  runBinding: [133, 'in', 'in', 'in'],
  createBinding: [134, 'in', 'out'],
  bindInput: [136, 'in', 'str', 'in'],
  bindOutputTo: [138, 'in', 'str', 'in'],
  boundOutputs: [140, 'in', 'in', 'out', 'count'],
  synchronizeInputs: [202, 'in'],
  appendCuda: [204, 'in', 'in'],
  createCudaOptions: [205, 'out'],
  setCudaOptions: [206, 'in', 'words', 'words', 'size_t'],
  appendProvider: [216, 'in', 'str', 'words', 'words', 'size_t']
} as const

/** Functions that free something and cannot fail. */
const releases = {
  status: 93,
  memory: 94,
  session: 95,
  value: 96,
  sessionOptions: 100,
  binding: 135,
  cudaOptions: 208
} as const

/** Size and version of the function table that is requested. */
const places = 217
const tableVersion = 16

/** Stack size for threads, because shaders are compiled on the stack of a program's first run. */
const stackBytes = 8 * 2 ** 20

export interface OnnxApi {
  readonly call: Readonly<Record<keyof typeof functions, Call>>
  readonly release: Readonly<Record<keyof typeof releases, (what: Pointer) => void>>
  /** Calls a function and returns the pointer that it stores in its last parameter. */
  readonly made: (call: Call, ...given: readonly Given[]) => Pointer
  /** Reads consecutive pointers from memory. */
  readonly pointersAt: (where: Pointer, count: number) => readonly Pointer[]
}

/** Sets koffi's stack size. Its settings apply to the process and cannot change after anything was loaded. */
const giveStack = (koffi: typeof Koffi): void => {
  const enough = (): boolean => (koffi.config().async_stack_size ?? 0) >= stackBytes
  if (enough()) return
  try {
    koffi.config({ async_stack_size: stackBytes })
  } catch (error) {
    // Another thread may have set it meanwhile.
    if (!enough()) throw error
  }
}

const load = (path: string): OnnxApi => {
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi
  giveStack(koffi)
  const types: Readonly<Record<string, Koffi.TypeObject>> = {
    in: koffi.pointer('void'),
    shape: koffi.pointer('int64_t'),
    words: koffi.pointer('str'),
    pointers: koffi.pointer('void *')
  }
  const outputs = { out: koffi.out(koffi.pointer('void *')), count: koffi.out(koffi.pointer('size_t')) } as const
  const typeOf = (name: string): Koffi.TypeObject => types[name] ?? outputs[name as keyof typeof outputs] ?? name
  const functionAt = (where: Pointer, result: string, parameters: readonly string[]): Native =>
    koffi.decode(where, koffi.proto(null, result, parameters.map(typeOf))) as Native
  const pointersAt = (where: Pointer, count: number): readonly Pointer[] =>
    koffi.decode(where, koffi.array('void *', count)) as Pointer[]

  const base = (koffi.load(path).func('OrtGetApiBase', 'void *', []) as () => Pointer)()
  const table = functionAt(pointersAt(base, 1)[0], 'void *', ['uint32_t'])(tableVersion) as Pointer | null
  if (table === null) throw new Error(`it has no version ${tableVersion} of its functions`)
  const addresses = pointersAt(table, places)

  const release = Object.fromEntries(
    Object.entries(releases).map(([name, place]) => [name, functionAt(addresses[place], 'void', ['in'])])
  ) as unknown as OnnxApi['release']
  const messageAt = functionAt(addresses[2], 'str', ['in'])
  const failureOf = (status: unknown): Error | undefined => {
    if (status === null) return undefined
    const message = messageAt(status as Pointer) as string
    release.status(status as Pointer)
    return new Error(message)
  }
  /** Arguments of calls in other threads, referenced to keep their memory. */
  const atWork = new Set<readonly Given[]>()
  const callOf = ([place, ...parameters]: readonly [number, ...string[]]): Call => {
    const native = functionAt(addresses[place], 'void *', parameters)
    const call = (...given: readonly Given[]): void => {
      const failure = failureOf(native(...given))
      if (failure !== undefined) throw failure
    }
    const apart = (...given: readonly Given[]): Promise<void> =>
      new Promise((resolve, reject) => {
        atWork.add(given)
        native.async(...given, (error: unknown, status: unknown) => {
          atWork.delete(given)
          const failure = error instanceof Error ? error : failureOf(status)
          if (failure === undefined) resolve()
          else reject(failure)
        })
      })
    return Object.assign(call, { apart })
  }
  return {
    call: Object.fromEntries(
      Object.entries(functions).map(([name, signature]) => [name, callOf(signature)])
    ) as unknown as OnnxApi['call'],
    release,
    pointersAt,
    made: (call, ...given) => {
      const made: Pointer[] = [0n]
      call(...given, made)
      return made[0]
    }
  }
}

const loaded = new Map<string, OnnxApi>()

/**
 * onnxruntime's C API from the library with a provider, once per thread. Used for what the Node binding lacks:
 * tensors that stay on a device, and options of a provider. Throws an `engine` error if it cannot be loaded.
 */
export const onnxApi = (provider: Provider): OnnxApi => {
  const path = libraryPath(provider)
  try {
    const api = loaded.get(path) ?? load(path)
    loaded.set(path, api)
    return api
  } catch (cause) {
    throw new SpectroscopeError(
      'engine',
      `onnxruntime could not be loaded from ${path} (${messageOf(cause)}); ${loadingRemedy}.`,
      { cause }
    )
  }
}
