import type { Global } from './globals'

/** Why a pickle is not read: the end of a sentence that begins with the file, remedy included if it has one. */
export class PickleFault extends Error {
  constructor(
    message: string,
    /** Whether the file is as its author meant it, but not a state dictionary. */
    readonly isForeign = false
  ) {
    super(message)
  }
}

/** The bytes end before the pickle does. */
export class UnfinishedPickle extends PickleFault {
  constructor() {
    super('its pickle ends before it is complete')
  }
}

/** Part of a file that holds numbers of one type. */
export class Storage {
  constructor(
    /** Type of its elements, in safetensors' words. */
    readonly dtype: string,
    readonly key: string,
    readonly elements: number
  ) {}
}

/** A tensor as a view of a storage; offset and strides count elements. */
export class StoredTensor {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[]
  ) {}
}

/** A name of the list, on the stack. */
export class Named {
  constructor(readonly global: Global) {}
}

const mostDimensions = 64

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length <= mostDimensions && value.every(isCount)

const tensorOf = (values: readonly unknown[]): StoredTensor => {
  const [storage, offset, shape, strides] = values
  if (!(storage instanceof Storage) || !isCount(offset) || !isCounts(shape) || !isCounts(strides))
    throw new PickleFault('a tensor in its pickle has no valid storage, offset, shape or strides')
  if (shape.length !== strides.length) throw new PickleFault('a tensor in its pickle has more sizes than strides')
  return new StoredTensor(storage, offset, shape, strides)
}

/** Calls of `collections.OrderedDict`: empty, or of one list of pairs, as Python 2 wrote it. */
const dictionaryOf = ([pairs, ...rest]: readonly unknown[]): Map<unknown, unknown> => {
  const dictionary = new Map<unknown, unknown>()
  if (pairs === undefined) return dictionary
  if (rest.length > 0 || !Array.isArray(pairs)) throw new PickleFault('a dictionary in its pickle is not made of pairs')
  for (const pair of pairs as unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2)
      throw new PickleFault('a dictionary in its pickle is not made of pairs')
    dictionary.set(pair[0], pair[1])
  }
  return dictionary
}

/** What calling a name of the list gives. */
export const built = (named: unknown, values: unknown): unknown => {
  if (!(named instanceof Named) || !('builder' in named.global) || !Array.isArray(values))
    throw new PickleFault('its pickle calls what cannot be called')
  switch (named.global.builder) {
    case 'collections.OrderedDict':
      return dictionaryOf(values)
    case 'torch._utils._rebuild_parameter':
      if (values[0] instanceof StoredTensor) return values[0]
      throw new PickleFault('a parameter in its pickle holds no tensor')
    default:
      return tensorOf(values)
  }
}

/** The storage of a persistent id: ('storage', class, key, device, elements) and, before 2021, a view that is None. */
export const storageOf = (id: unknown): Storage => {
  const [kind, named, key, , elements, view] = Array.isArray(id) ? (id as unknown[]) : []
  if (kind === 'module')
    throw new PickleFault("it holds a whole module, not a state dictionary; save the module's state_dict()", true)
  if (kind !== 'storage' || !(named instanceof Named) || !('storageType' in named.global))
    throw new PickleFault('a storage in its pickle has no known type')
  if ((typeof key !== 'string' && typeof key !== 'number') || !isCount(elements))
    throw new PickleFault('a storage in its pickle has no valid key or length')
  if (view !== undefined && view !== null)
    throw new PickleFault(
      'it holds views of storages, as torch before 0.4 wrote them; save it with a newer torch',
      true
    )
  return new Storage(named.global.storageType, String(key), elements)
}
