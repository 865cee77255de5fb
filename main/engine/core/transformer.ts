import { attend } from './attention'
import type { Value } from './graph'
import { centredLoss, exactLoss } from './losses'
import { TransformerParts } from './transformer-parts'

/** Layers of a transformer, and the loss above them. */
export class TransformerBuilder extends TransformerParts {
  /** What attention or an MLP reads of the stream. */
  read(x: Value, norm: string | undefined): Value {
    return norm === undefined ? x : this.norm(x, norm)
  }

  /** Output of all heads of a layer before the projection, [tokens, heads · width]. */
  attention(layer: number, x: Value): Value {
    const { attentionNorm, qkv } = this.names(layer)
    const { biases } = this.architecture
    const y = this.read(x, attentionNorm)
    return attend(
      this,
      layer,
      (typeof qkv === 'string' ? [qkv] : qkv).map((name) => this.product(y, name, biases.qkv))
    )
  }

  project(layer: number, attended: Value): Value {
    return this.product(attended, this.names(layer).projection, this.architecture.biases.projection)
  }

  /** The stream after attention, given the output of the projection. */
  afterAttention(layer: number, x: Value, projected: Value): Value {
    return this.builder.add(x, this.read(projected, this.names(layer).attentionPostNorm))
  }

  private activated(x: Value): Value {
    const { activation } = this.architecture
    return activation === 'silu'
      ? this.builder.mul(x, this.builder.sigmoid(x))
      : this.builder.gelu(x, activation === 'gelu_tanh')
  }

  /** What a layer's MLP adds to the stream. */
  mlp(layer: number, source: Value): Value {
    const { mlpNorm, mlpPostNorm, mlpGate, mlpIn, mlpOut } = this.names(layer)
    const { biases } = this.architecture
    const y = this.read(source, mlpNorm)
    const inner = this.product(y, mlpIn, biases.mlp)
    const active =
      mlpGate === undefined
        ? this.activated(inner)
        : this.builder.mul(this.activated(this.product(y, mlpGate, biases.mlp)), inner)
    return this.read(this.product(active, mlpOut, biases.mlp), mlpPostNorm)
  }

  /** A whole layer: outputs of the heads, and the residual stream after attention and after the MLP. */
  layer(layer: number, x: Value): { attended: Value; middle: Value; after: Value } {
    const attended = this.attention(layer, x)
    const middle = this.afterAttention(layer, x, this.project(layer, attended))
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
    const hidden = this.finalHidden(stream)
    return exact ? exactLoss(this, hidden) : centredLoss(this, hidden)
  }
}
