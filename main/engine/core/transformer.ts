import { attend } from './attention'
import type { Value } from './graph'
import { centredLoss, exactLoss } from './losses'
import { TransformerParts } from './transformer-parts'

/** Layers of a transformer, and the loss above them. */
export class TransformerBuilder extends TransformerParts {
  /** Output of all heads of a layer before the projection, [tokens, d]. */
  attention(layer: number, x: Value): Value {
    const { attentionNorm, qkv } = this.names(layer)
    return attend(
      this,
      this.linear(this.norm(x, attentionNorm), this.weight(`${qkv}.weight`), this.weight(`${qkv}.bias`)),
      this.architecture.heads
    )
  }

  project(layer: number, attended: Value): Value {
    const { projection } = this.names(layer)
    return this.linear(attended, this.weight(`${projection}.weight`), this.weight(`${projection}.bias`))
  }

  mlp(layer: number, source: Value): Value {
    const { mlpNorm, mlpIn, mlpOut } = this.names(layer)
    const inner = this.linear(this.norm(source, mlpNorm), this.weight(`${mlpIn}.weight`), this.weight(`${mlpIn}.bias`))
    const active = this.builder.gelu(inner, this.architecture.activation === 'gelu_tanh')
    return this.linear(active, this.weight(`${mlpOut}.weight`), this.weight(`${mlpOut}.bias`))
  }

  /** A whole layer: outputs of the heads, and the residual stream after attention and after the MLP. */
  layer(layer: number, x: Value): { attended: Value; middle: Value; after: Value } {
    const attended = this.attention(layer, x)
    const middle = this.builder.add(x, this.project(layer, attended))
    const after = this.builder.add(middle, this.mlp(layer, this.architecture.parallelResidual ? x : middle))
    return { attended, middle, after }
  }

  /** Layers from `layer` on, and the loss. */
  above(layer: number, x: Value, exact: boolean): Value {
    let stream = x
    for (let i = layer; i < this.architecture.layers; i++) stream = this.layer(i, stream).after
    return this.lossOf(stream, exact)
  }

  /** Losses [tokens] from the final stream. */
  lossOf(stream: Value, exact: boolean): Value {
    const hidden = this.norm(stream, this.outer.finalNorm)
    return exact ? exactLoss(this, hidden) : centredLoss(this, hidden)
  }
}
