import type { OnnxNodes } from './onnx-nodes'

/** The standard normal distribution function Φ(x), shared by GELU and its slope. */
const normalCdf = (onnx: OnnxNodes, x: string): string => {
  return onnx.once(`cdf ${x}`, () => {
    const erf = onnx.emit('Erf', [onnx.emit('Mul', [x, onnx.scalar(Math.SQRT1_2)])])
    return onnx.emit('Add', [onnx.emit('Mul', [erf, onnx.scalar(0.5)]), onnx.scalar(0.5)])
  })
}

/** tanh(√(2/π)(x + 0.044715 x³)) and x², shared by the tanh form of GELU and its slope. */
const geluTanh = (onnx: OnnxNodes, x: string): { square: string; tanh: string } => {
  const square = onnx.once(`square ${x}`, () => onnx.emit('Mul', [x, x]))
  const tanh = onnx.once(`tanh ${x}`, () => {
    const inner = onnx.emit('Add', [
      onnx.emit('Mul', [square, onnx.scalar(0.044715 * Math.sqrt(2 / Math.PI))]),
      onnx.scalar(Math.sqrt(2 / Math.PI))
    ])
    return onnx.emit('Tanh', [onnx.emit('Mul', [x, inner])])
  })
  return { square, tanh }
}

export const gelu = (onnx: OnnxNodes, x: string, tanh: boolean, output: string): void => {
  if (!onnx.sloped.has(x)) {
    onnx.emit('Gelu', [x], { approximate: { text: tanh ? 'tanh' : 'none' } }, output)
    return
  }
  if (!tanh) {
    onnx.emit('Mul', [x, normalCdf(onnx, x)], {}, output)
    return
  }
  const half = onnx.emit('Mul', [x, onnx.scalar(0.5)])
  onnx.emit('Mul', [half, onnx.emit('Add', [geluTanh(onnx, x).tanh, onnx.scalar(1)])], {}, output)
}

export const geluSlope = (onnx: OnnxNodes, x: string, tanh: boolean, output: string): void => {
  if (!tanh) {
    const density = onnx.emit('Mul', [
      onnx.emit('Exp', [onnx.emit('Mul', [onnx.emit('Mul', [x, x]), onnx.scalar(-0.5)])]),
      onnx.scalar(1 / Math.sqrt(2 * Math.PI))
    ])
    onnx.emit('Add', [normalCdf(onnx, x), onnx.emit('Mul', [x, density])], {}, output)
    return
  }
  const shape = geluTanh(onnx, x)
  const half = onnx.emit('Add', [onnx.emit('Mul', [shape.tanh, onnx.scalar(0.5)]), onnx.scalar(0.5)])
  const secant = onnx.emit('Sub', [onnx.scalar(1), onnx.emit('Mul', [shape.tanh, shape.tanh])])
  const inner = onnx.emit('Add', [
    onnx.emit('Mul', [shape.square, onnx.scalar(3 * 0.044715 * Math.sqrt(0.5 / Math.PI))]),
    onnx.scalar(Math.sqrt(0.5 / Math.PI))
  ])
  onnx.emit('Add', [half, onnx.emit('Mul', [onnx.emit('Mul', [x, secant]), inner])], {}, output)
}
