import { extname } from 'node:path'
import { briefly } from '../../../preload/quoting'
import { openModelFile } from '../files'
import { broken, bytesPerElement, type TensorEntry } from '../safetensors-header'
import { refused, type Container, type Place } from './container'
import { withLegacyContainer } from './legacy-container'
import { PickleFault, StoredTensor } from './objects'
import { withZipContainer } from './zip-container'

const extensions = ['.bin', '.pt', '.pth', '.ckpt']

/** Whether a file is one of torch's, by its name. */
export const isTorchFile = (path: string): boolean => extensions.includes(extname(path).toLowerCase())

const kindOf = (value: unknown): string => {
  if (value instanceof StoredTensor) return 'a tensor'
  if (value instanceof Map) return 'a dictionary'
  if (Array.isArray(value)) return 'a list'
  if (value === null) return 'None'
  return typeof value === 'string' ? 'a text' : typeof value === 'boolean' ? 'a boolean' : 'a number'
}

const isStateDictionary = (value: unknown): value is ReadonlyMap<string, StoredTensor> =>
  value instanceof Map &&
  value.size > 0 &&
  [...value].every(([name, tensor]) => typeof name === 'string' && tensor instanceof StoredTensor)

/** The tensors of a state dictionary. Anything else is refused, and where a checkpoint holds one, its place named. */
const tensorsOf = (path: string, value: unknown): ReadonlyMap<string, StoredTensor> => {
  if (isStateDictionary(value)) return value
  if (!(value instanceof Map)) throw refused(path, `it holds ${kindOf(value)}, not a state dictionary; choose another`)
  const inner = [...(value as ReadonlyMap<unknown, unknown>)].find(([, part]) => isStateDictionary(part))?.[0]
  if (typeof inner === 'string') {
    const key = briefly(inner)
    const save = `torch.save(torch.load(path)["${key}"], "pytorch_model.bin")`
    throw refused(path, `it is a training checkpoint whose weights are under "${key}"; save them alone with ${save}`)
  }
  const [name, part] = [...value].find(([key, one]) => typeof key !== 'string' || !(one instanceof StoredTensor)) ?? []
  const strange = value.size === 0 ? 'nothing' : `${kindOf(part)} under "${briefly(String(name))}"`
  throw refused(path, `it holds ${strange}, so it is not a state dictionary; save the model's state_dict() alone`)
}

/** Number of elements from a tensor's first to its last in the storage, both included. */
const extentOf = ({ shape, strides }: StoredTensor): number =>
  shape.includes(0) ? 0 : shape.reduce((extent, n, axis) => extent + (n - 1) * strides[axis], 1)

const isRowMajor = ({ shape, strides }: StoredTensor): boolean => {
  let expected = 1
  for (let axis = shape.length - 1; axis >= 0; expected *= shape[axis--])
    if (shape[axis] !== 1 && strides[axis] !== expected) return false
  return true
}

const entryOf = (path: string, name: string, tensor: StoredTensor, { start, bytes }: Place): TensorEntry => {
  const { storage, offset, shape, strides } = tensor
  const width = bytesPerElement(storage.dtype)
  const fault = (what: string): Error => broken(path, `the tensor "${briefly(name)}" ${what}`)
  if (storage.elements * width !== bytes)
    throw fault(`needs a storage of ${storage.elements * width} bytes, and the file has ${bytes}`)
  const elements = shape.reduce((product, n) => product * n, 1)
  const extent = extentOf(tensor)
  if (!Number.isSafeInteger(elements) || !(offset + extent <= storage.elements))
    throw fault(`of shape [${briefly(shape.join(', '))}] goes past the end of its storage`)
  const first = start + width * offset
  const place = { name, dtype: storage.dtype, shape, start: first, end: first + width * extent }
  return isRowMajor(tensor) ? place : { ...place, strides }
}

const entriesOf = async (path: string, { value, placeOf }: Container): Promise<TensorEntry[]> => {
  const places = new Map<string, Place>()
  const entries: TensorEntry[] = []
  for (const [name, tensor] of tensorsOf(path, value)) {
    const { key } = tensor.storage
    const place = places.get(key) ?? (await placeOf(tensor.storage))
    places.set(key, place)
    entries.push(entryOf(path, name, tensor, place))
  }
  return entries
}

const withContainer = async <T>(path: string, use: (container: Container) => Promise<T>): Promise<T> => {
  const { handle, size } = await openModelFile(path, 'check the path of the weights and its permissions')
  const head = Buffer.alloc(2)
  try {
    if (size === 0) throw broken(path, 'the file is truncated: it is empty')
    await handle.read(head, 0, head.length, 0)
  } finally {
    await handle.close()
  }
  if (head.toString('latin1') === 'PK') return withZipContainer(path, use)
  if (head[0] === 0x80) return withLegacyContainer(path, use)
  throw broken(path, 'this is not a file that torch.save wrote, or it is damaged')
}

/**
 * Lists the tensors of a state dictionary that torch.save wrote, by reading its pickle alone. Nothing in the file is
 * run: names in the pickle are compared with a list, and any other name is refused. Throws an `input` error that
 * names the file, and what it is instead or what is wrong.
 */
export const readTorchEntries = async (path: string): Promise<TensorEntry[]> => {
  try {
    return await withContainer(path, (container) => entriesOf(path, container))
  } catch (error) {
    if (!(error instanceof PickleFault)) throw error
    throw error.isForeign ? refused(path, error.message) : broken(path, error.message, error)
  }
}
