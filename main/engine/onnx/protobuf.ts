import protobuf from 'protobufjs'

/** The part of onnx.proto3 (ONNX IR version 9) that is needed. */
const { nested } = {
  nested: {
    onnx: {
      nested: {
        AttributeProto: {
          fields: {
            name: { type: 'string', id: 1 },
            f: { type: 'float', id: 2 },
            i: { type: 'int64', id: 3 },
            s: { type: 'bytes', id: 4 },
            g: { type: 'GraphProto', id: 6 },
            ints: { rule: 'repeated', type: 'int64', id: 8 },
            type: { type: 'int32', id: 20 }
          }
        },
        NodeProto: {
          fields: {
            input: { rule: 'repeated', type: 'string', id: 1 },
            output: { rule: 'repeated', type: 'string', id: 2 },
            opType: { type: 'string', id: 4 },
            attribute: { rule: 'repeated', type: 'AttributeProto', id: 5 }
          }
        },
        TensorProto: {
          fields: {
            dims: { rule: 'repeated', type: 'int64', id: 1 },
            dataType: { type: 'int32', id: 2 },
            name: { type: 'string', id: 8 },
            rawData: { type: 'bytes', id: 9 }
          }
        },
        Dimension: { fields: { dimValue: { type: 'int64', id: 1 } } },
        TensorShapeProto: { fields: { dim: { rule: 'repeated', type: 'Dimension', id: 1 } } },
        TensorTypeProto: { fields: { elemType: { type: 'int32', id: 1 }, shape: { type: 'TensorShapeProto', id: 2 } } },
        TypeProto: { fields: { tensorType: { type: 'TensorTypeProto', id: 1 } } },
        ValueInfoProto: { fields: { name: { type: 'string', id: 1 }, type: { type: 'TypeProto', id: 2 } } },
        GraphProto: {
          fields: {
            node: { rule: 'repeated', type: 'NodeProto', id: 1 },
            name: { type: 'string', id: 2 },
            initializer: { rule: 'repeated', type: 'TensorProto', id: 5 },
            input: { rule: 'repeated', type: 'ValueInfoProto', id: 11 },
            output: { rule: 'repeated', type: 'ValueInfoProto', id: 12 }
          }
        },
        OperatorSetIdProto: { fields: { domain: { type: 'string', id: 1 }, version: { type: 'int64', id: 2 } } },
        ModelProto: {
          fields: {
            irVersion: { type: 'int64', id: 1 },
            graph: { type: 'GraphProto', id: 7 },
            opsetImport: { rule: 'repeated', type: 'OperatorSetIdProto', id: 8 }
          }
        }
      }
    }
  }
}

const modelProto = protobuf.Root.fromJSON({ nested }).lookupType('onnx.ModelProto')

/** Element types of onnx.proto3's TensorProto.DataType. */
export const elementType = { float: 1, int32: 6, int64: 7, float16: 10, bfloat16: 16 } as const

export type Attribute =
  number | { readonly float: number } | { readonly text: string } | { readonly graph: OnnxGraph } | readonly number[]

/** A graph, or the body of a looping operator, which may read names of the surrounding graph. */
export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[]
  readonly initializers: readonly OnnxTensor[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
}

export interface OnnxNode {
  readonly opType: string
  readonly input: readonly string[]
  readonly output: readonly string[]
  readonly attributes: Readonly<Record<string, Attribute>>
}

export interface OnnxTensor {
  readonly name: string
  readonly type: number
  readonly dims: readonly number[]
  readonly data: Uint8Array
}

export interface OnnxValue {
  readonly name: string
  readonly type: number
  readonly shape: readonly number[]
}

const attribute = (name: string, value: Attribute): Record<string, unknown> => {
  if (typeof value === 'number') return { name, i: value, type: 2 }
  if ('float' in value) return { name, f: value.float, type: 1 }
  if ('graph' in value) return { name, g: graphOf(value.graph), type: 5 }
  if ('text' in value) return { name, s: new TextEncoder().encode(value.text), type: 3 }
  return { name, ints: value, type: 7 }
}

const valueInfo = ({ name, type, shape }: OnnxValue): Record<string, unknown> => ({
  name,
  type: { tensorType: { elemType: type, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } }
})

function graphOf({ nodes, initializers, inputs, outputs }: OnnxGraph): Record<string, unknown> {
  return {
    name: 'graph',
    node: nodes.map(({ opType, input, output, attributes }) => ({
      opType,
      input,
      output,
      attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value))
    })),
    initializer: initializers.map(({ name, type, dims, data }) => ({ name, dataType: type, dims, rawData: data })),
    input: inputs.map(valueInfo),
    output: outputs.map(valueInfo)
  }
}

/** Serialises an ONNX model, operator set 20. */
export const encodeModel = (graph: OnnxGraph): Uint8Array =>
  modelProto
    .encode(modelProto.fromObject({ irVersion: 9, opsetImport: [{ domain: '', version: 20 }], graph: graphOf(graph) }))
    .finish()
