import type { EdgeProgramType, NodeProgramType } from 'sigma/rendering'
import type { RenderParams } from 'sigma/types'
import type { Rgb } from './colours'
import { discNumbers, lineNumbers } from './layers'
import type { DiscLayer, Highlight, LineLayer, PointLayer } from './layers'

type Context = WebGL2RenderingContext

const compiled = (gl: Context, kind: number, source: string): WebGLShader => {
  const shader = gl.createShader(kind)
  if (shader === null) throw new Error('The GPU context was lost.')
  gl.shaderSource(shader, source)
  gl.compileShader(shader)
  return shader
}

const linked = (gl: Context, vertex: string, fragment: string): WebGLProgram => {
  const program = gl.createProgram()
  const shaders = [
    compiled(gl, gl.VERTEX_SHADER, `#version 300 es\n${vertex}`),
    compiled(gl, gl.FRAGMENT_SHADER, `#version 300 es\nprecision highp float;\n${fragment}`)
  ]
  for (const shader of shaders) gl.attachShader(program, shader)
  gl.linkProgram(program)
  if (gl.getProgramParameter(program, gl.LINK_STATUS) !== true && !gl.isContextLost())
    throw new Error(gl.getProgramInfoLog(program) ?? gl.getShaderInfoLog(shaders[0]) ?? 'A shader did not link.')
  for (const shader of shaders) gl.deleteShader(shader)
  return program
}

/** A buffer on the device that is sent again only when the array it stands for is another one. */
class DeviceArray {
  readonly #gl: Context
  readonly #target: number
  readonly buffer: WebGLBuffer
  #sent: ArrayBufferView | null = null

  constructor(gl: Context, target: number = gl.ARRAY_BUFFER) {
    this.#gl = gl
    this.#target = target
    this.buffer = gl.createBuffer()
  }

  bind(array: ArrayBufferView): void {
    this.#gl.bindBuffer(this.#target, this.buffer)
    if (array === this.#sent) return
    this.#gl.bufferData(this.#target, array as ArrayBufferView<ArrayBuffer>, this.#gl.DYNAMIC_DRAW)
    this.#sent = array
  }

  delete(): void {
    this.#gl.deleteBuffer(this.buffer)
  }
}

const toTarget = (gl: Context, { width, height, pixelRatio }: RenderParams): void => {
  gl.bindFramebuffer(gl.FRAMEBUFFER, null)
  gl.viewport(0, 0, width * pixelRatio, height * pixelRatio)
  gl.enable(gl.BLEND)
}

/** What Sigma calls of a program; its own per-item arrays are not used, since each layer brings its buffers. */
abstract class LayerProgram {
  readonly drawLabel = undefined
  readonly drawHover = undefined
  protected readonly gl: Context
  protected readonly program: WebGLProgram
  readonly #locations = new Map<string, WebGLUniformLocation | null>()

  constructor(gl: WebGLRenderingContext, vertex: string, fragment: string) {
    this.gl = gl as unknown as Context
    this.program = linked(this.gl, vertex, fragment)
  }

  protected uniform(name: string): WebGLUniformLocation | null {
    if (!this.#locations.has(name)) this.#locations.set(name, this.gl.getUniformLocation(this.program, name))
    return this.#locations.get(name) ?? null
  }

  protected attribute(name: string): number {
    return this.gl.getAttribLocation(this.program, name)
  }

  reallocate(): void {}
  process(): void {}
  kill(): void {
    this.gl.deleteProgram(this.program)
  }
  abstract render(params: RenderParams): void
}

const pointVertex = `
in vec2 place;
in vec4 colour;
uniform mat3 matrix;
uniform float size;
uniform vec4 over;
uniform float opacity;
out vec4 shown;
out float diameter;
void main() {
  gl_Position = vec4((matrix * vec3(place, 1.0)).xy, 0.0, 1.0);
  gl_PointSize = size;
  diameter = size;
  shown = vec4(mix(colour.rgb, over.rgb, over.a), opacity * colour.a);
}`
const pointFragment = `
in vec4 shown;
in float diameter;
out vec4 result;
void main() {
  float inside = diameter < 2.5 ? 1.0 : clamp((0.5 - length(gl_PointCoord - 0.5)) * diameter, 0.0, 1.0);
  if (inside <= 0.0) discard;
  float alpha = shown.a * inside;
  result = vec4(shown.rgb * alpha, alpha);
}`

const mostThinned = 40_000

/** Draws all points of a layer at once, then the highlighted ones over them. */
export const pointProgram = (layer: PointLayer): NodeProgramType =>
  class extends LayerProgram {
    readonly #places: DeviceArray
    readonly #colours: DeviceArray
    readonly #indices = new WeakMap<Uint32Array, DeviceArray>()
    #kept: readonly Highlight[] = []
    #some: { readonly of: number; readonly points: Uint32Array } | null = null

    constructor(gl: WebGLRenderingContext) {
      super(gl, pointVertex, pointFragment)
      this.#places = new DeviceArray(this.gl)
      this.#colours = new DeviceArray(this.gl)
    }

    #indicesOf(points: Uint32Array): DeviceArray {
      const known = this.#indices.get(points)
      if (known !== undefined) return known
      const made = new DeviceArray(this.gl, this.gl.ELEMENT_ARRAY_BUFFER)
      this.#indices.set(points, made)
      return made
    }

    /** Points evenly taken from all: as they come in the corpus, which has nothing to do with their places. */
    #someOf(count: number): Uint32Array {
      if (this.#some === null || this.#some.of !== count)
        this.#some = {
          of: count,
          points: Uint32Array.from({ length: mostThinned }, (_, at) => Math.floor((at * count) / mostThinned))
        }
      return this.#some.points
    }

    #forget(): void {
      for (const { points } of this.#kept) {
        if (layer.highlights.some((highlight) => highlight.points === points)) continue
        this.#indices.get(points)?.delete()
        this.#indices.delete(points)
      }
      this.#kept = layer.highlights
    }

    render(params: RenderParams): void {
      const { gl } = this
      const count = layer.places.length / 2
      if (count === 0 || layer.colours.length !== 4 * count) return
      if (this.#kept !== layer.highlights) this.#forget()
      toTarget(gl, params)
      gl.useProgram(this.program)
      gl.uniformMatrix3fv(this.uniform('matrix'), false, params.matrix)
      const [place, colour] = [this.attribute('place'), this.attribute('colour')]
      this.#places.bind(layer.places)
      gl.enableVertexAttribArray(place)
      gl.vertexAttribPointer(place, 2, gl.FLOAT, false, 0, 0)
      this.#colours.bind(layer.colours)
      gl.enableVertexAttribArray(colour)
      gl.vertexAttribPointer(colour, 4, gl.UNSIGNED_BYTE, true, 0, 0)

      const size = layer.sizeAt(params.zoomRatio)
      const pass = (pixels: number, over: Rgb, share: number, opacity: number): void => {
        gl.uniform1f(this.uniform('size'), pixels * params.pixelRatio)
        gl.uniform4f(this.uniform('over'), over[0] / 255, over[1] / 255, over[2] / 255, share)
        gl.uniform1f(this.uniform('opacity'), opacity)
      }
      pass(
        layer.faded > 0 ? Math.max(1.2, 0.8 * size) : size,
        layer.ground,
        layer.faded,
        layer.faded > 0 ? 0.9 * layer.opacity : layer.opacity
      )
      if (layer.thinned && count > 2 * mostThinned) {
        const some = this.#someOf(count)
        this.#indicesOf(some).bind(some)
        gl.drawElements(gl.POINTS, some.length, gl.UNSIGNED_INT, 0)
      } else gl.drawArrays(gl.POINTS, 0, count)
      for (const { points, outline, growth } of layer.highlights) {
        if (points.length === 0) continue
        this.#indicesOf(points).bind(points)
        if (outline !== null) {
          pass(growth * size + (points.length > 150 ? 2 : 3), outline, 1, 1)
          gl.drawElements(gl.POINTS, points.length, gl.UNSIGNED_INT, 0)
        }
        pass(growth * size + 0.4, layer.ground, 0, outline === null ? layer.opacity : 1)
        gl.drawElements(gl.POINTS, points.length, gl.UNSIGNED_INT, 0)
      }
      gl.disableVertexAttribArray(place)
      gl.disableVertexAttribArray(colour)
      gl.bindBuffer(gl.ARRAY_BUFFER, null)
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, null)
    }
  }

const discVertex = `
in vec2 corner;
in vec2 place;
in float radius;
in vec4 fill;
in vec4 outline;
in vec2 edge;
uniform mat3 matrix;
uniform vec2 window;
uniform vec2 grow;
out vec2 at;
out vec4 inner;
out vec4 outer;
out vec3 form;
void main() {
  float grown = max(radius * grow.x, grow.y);
  float reach = grown + edge.x + 1.0;
  vec2 middle = (matrix * vec3(place, 1.0)).xy;
  at = corner * reach;
  inner = fill;
  outer = outline;
  form = vec3(grown, edge.x, edge.y);
  gl_Position = vec4(middle + 2.0 * at / window, 0.0, 1.0);
}`
const discFragment = `
in vec2 at;
in vec4 inner;
in vec4 outer;
in vec3 form;
out vec4 result;
void main() {
  float away = length(at);
  float covered = clamp(form.x + form.y - away + 0.5, 0.0, 1.0);
  if (covered <= 0.0) discard;
  float rim = clamp(away - form.x + 0.5, 0.0, 1.0);
  vec4 colour = mix(inner, outer, rim);
  if (form.z > 0.5) {
    float pieces = max(12.0, floor(form.x * 0.7));
    float gap = step(0.38, fract(atan(at.y, at.x) / 6.2831853 * pieces));
    colour = mix(inner, outer, rim * gap);
  }
  float alpha = colour.a * covered;
  result = vec4(colour.rgb * alpha, alpha);
}`

const quad = new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1])

const instances = (
  gl: Context,
  parts: readonly { readonly at: number; readonly size: number; readonly bytes?: boolean }[]
): (() => void) => {
  const stride = 4 * parts.reduce((sum, { size, bytes }) => sum + (bytes === true ? 1 : size), 0)
  let offset = 0
  for (const { at, size, bytes } of parts) {
    gl.enableVertexAttribArray(at)
    gl.vertexAttribPointer(at, size, bytes === true ? gl.UNSIGNED_BYTE : gl.FLOAT, bytes === true, stride, offset)
    gl.vertexAttribDivisor(at, 1)
    offset += bytes === true ? 4 : 4 * size
  }
  return () => {
    for (const { at } of parts) {
      gl.vertexAttribDivisor(at, 0)
      gl.disableVertexAttribArray(at)
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, null)
  }
}

/** Draws discs in the order that they are in. */
export const discProgram = (layer: DiscLayer): NodeProgramType =>
  class extends LayerProgram {
    readonly #corners: DeviceArray
    readonly #discs: DeviceArray

    constructor(gl: WebGLRenderingContext) {
      super(gl, discVertex, discFragment)
      this.#corners = new DeviceArray(this.gl)
      this.#discs = new DeviceArray(this.gl)
    }

    render(params: RenderParams): void {
      const { gl } = this
      if (layer.discs.length === 0) return
      toTarget(gl, params)
      gl.useProgram(this.program)
      gl.uniformMatrix3fv(this.uniform('matrix'), false, params.matrix)
      gl.uniform2f(this.uniform('window'), params.width, params.height)
      gl.uniform2f(this.uniform('grow'), layer.scaleAt(params.zoomRatio), layer.least)
      const corner = this.attribute('corner')
      this.#corners.bind(quad)
      gl.enableVertexAttribArray(corner)
      gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0)
      this.#discs.bind(layer.discs)
      const leave = instances(gl, [
        { at: this.attribute('place'), size: 2 },
        { at: this.attribute('radius'), size: 1 },
        { at: this.attribute('fill'), size: 4, bytes: true },
        { at: this.attribute('outline'), size: 4, bytes: true },
        { at: this.attribute('edge'), size: 2 }
      ])
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, layer.discs.length / discNumbers)
      leave()
      gl.disableVertexAttribArray(corner)
    }
  }

const lineVertex = `
in vec2 corner;
in vec4 ends;
in float thickness;
in vec4 colour;
uniform mat3 matrix;
uniform vec2 window;
out vec4 shown;
out float side;
out float reach;
void main() {
  vec2 first = (matrix * vec3(ends.xy, 1.0)).xy * window * 0.5;
  vec2 second = (matrix * vec3(ends.zw, 1.0)).xy * window * 0.5;
  vec2 along = second - first;
  float length_ = length(along);
  vec2 across = length_ > 0.0 ? vec2(-along.y, along.x) / length_ : vec2(0.0);
  reach = thickness * 0.5 + 0.7;
  side = corner.y * reach;
  vec2 spot = mix(first, second, corner.x * 0.5 + 0.5) + across * side;
  shown = colour;
  gl_Position = vec4(spot * 2.0 / window, 0.0, 1.0);
}`
const lineFragment = `
in vec4 shown;
in float side;
in float reach;
out vec4 result;
void main() {
  float alpha = shown.a * clamp(reach - abs(side), 0.0, 1.0);
  result = vec4(shown.rgb * alpha, alpha);
}`

/** Draws lines of any width, in the order that they are in. */
export const lineProgram = (layer: LineLayer): EdgeProgramType =>
  class extends LayerProgram {
    readonly #corners: DeviceArray
    readonly #lines: DeviceArray

    constructor(gl: WebGLRenderingContext) {
      super(gl, lineVertex, lineFragment)
      this.#corners = new DeviceArray(this.gl)
      this.#lines = new DeviceArray(this.gl)
    }

    render(params: RenderParams): void {
      const { gl } = this
      if (layer.lines.length === 0) return
      toTarget(gl, params)
      gl.useProgram(this.program)
      gl.uniformMatrix3fv(this.uniform('matrix'), false, params.matrix)
      gl.uniform2f(this.uniform('window'), params.width, params.height)
      const corner = this.attribute('corner')
      this.#corners.bind(quad)
      gl.enableVertexAttribArray(corner)
      gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0)
      this.#lines.bind(layer.lines)
      const leave = instances(gl, [
        { at: this.attribute('ends'), size: 4 },
        { at: this.attribute('thickness'), size: 1 },
        { at: this.attribute('colour'), size: 4, bytes: true }
      ])
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, layer.lines.length / lineNumbers)
      leave()
      gl.disableVertexAttribArray(corner)
    }
  }

/** For the layer that Sigma draws hovered nodes on, of which there are none. */
export const nothingProgram = class {
  readonly drawLabel = undefined
  readonly drawHover = undefined
  reallocate(): void {}
  process(): void {}
  render(): void {}
  kill(): void {}
} as unknown as NodeProgramType
