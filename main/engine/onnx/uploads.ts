import type * as Onnx from 'onnxruntime-node'
import type { Resident } from '../executor'
import { GraphBuilder } from '../graph'
import { lowerToOnnx } from './lower'

/**
 * Puts tensors where WebGPU computes, so that they cross once: onnxruntime-node makes no such tensor of numbers, but lets an output stay
 * there, and takes it as an input of any session. So a tensor goes through a session that does nothing else.
 */
export class Uploads {
  readonly #sessions = new Map<string, Promise<{ readonly session: Onnx.InferenceSession; readonly input: string }>>()
  readonly #tensors: Promise<Onnx.Tensor>[] = []

  constructor(
    private readonly onnx: typeof Onnx,
    private readonly options: Onnx.InferenceSession.SessionOptions
  ) {}

  async #open(shape: readonly number[]): Promise<{ readonly session: Onnx.InferenceSession; readonly input: string }> {
    const builder = new GraphBuilder()
    const value = builder.input('tensor', shape)
    builder.output('tensor', value)
    const { model, inputName } = lowerToOnnx(builder.build())
    return { session: await this.onnx.InferenceSession.create(model, { ...this.options, preferredOutputLocation: 'gpu-buffer' }), input: inputName(value) }
  }

  async #put(data: Float32Array, shape: readonly number[]): Promise<Onnx.Tensor> {
    const key = shape.join()
    const opening = this.#sessions.get(key) ?? this.#open(shape)
    this.#sessions.set(key, opening)
    const { session, input } = await opening
    const { tensor } = await session.run({ [input]: new this.onnx.Tensor('float32', data, shape) })
    return tensor
  }

  /** The numbers as a tensor there; they must not change before it is. */
  put(data: Float32Array, shape: readonly number[]): Resident {
    const tensor = this.#put(data, shape)
    // The first program that is run with it hears of the error.
    tensor.catch(() => {})
    this.#tensors.push(tensor)
    return { shape, handle: tensor }
  }

  async dispose(): Promise<void> {
    const tensors = await Promise.allSettled(this.#tensors.splice(0))
    for (const tensor of tensors) if (tensor.status === 'fulfilled') tensor.value.dispose()
    const sessions = await Promise.allSettled(this.#sessions.values())
    this.#sessions.clear()
    for (const opened of sessions) if (opened.status === 'fulfilled') await opened.value.session.release()
  }
}
