/**
 * Kernels in WGSL. Binding 0 has a node's numbers (`p`: sides, strides, places to begin at), the others its tensors: those that are read,
 * then those that are written. A kernel is the same for all shapes, so a device compiles each once.
 */

/** Threads of a workgroup of the kernels that take one element, or one row, at a time. */
export const groupSize = 64
/** Side of the square of a product that a workgroup computes. */
export const tileSide = 64

const bindings = (read: readonly string[], written: readonly string[]): string =>
  [
    '@group(0) @binding(0) var<storage, read> p: array<u32>;',
    ...read.map((tensor, at) => `@group(0) @binding(${at + 1}) var<storage, read> ${tensor};`),
    ...written.map((tensor, at) => `@group(0) @binding(${read.length + at + 1}) var<storage, read_write> ${tensor};`)
  ].join('\n')

const floats = (...names: readonly string[]): string[] => names.map((name) => `${name}: array<f32>`)

/** One thread for each of p[0] elements. */
const elementwise = (read: readonly string[], written: readonly string[], body: string, functions = ''): string => `
${bindings(read, written)}
${functions}
@compute @workgroup_size(${groupSize})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * ${groupSize}u;
  if (i >= p[0]) { return; }
${body}
}`

/** One workgroup for each of p[0] rows; `total` adds up, or takes the largest of, what its threads have. */
const rowwise = (read: readonly string[], written: readonly string[], body: string): string => `
${bindings(read, written)}
var<workgroup> parts: array<f32, ${groupSize}>;
fn total(own: f32, thread: u32, largest: bool) -> f32 {
  workgroupBarrier();
  parts[thread] = own;
  workgroupBarrier();
  for (var half = ${groupSize / 2}u; half > 0u; half /= 2u) {
    if (thread < half) {
      if (largest) { parts[thread] = max(parts[thread], parts[thread + half]); }
      else { parts[thread] += parts[thread + half]; }
    }
    workgroupBarrier();
  }
  return parts[0];
}
@compute @workgroup_size(${groupSize})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = group.x + group.y * groups.x;
  if (row >= p[0]) { return; }
  let width = p[1];
${body}
}`

/**
 * Adds to each counter where the element `index` of a shape lies for it: the element's place along every axis times the counter's stride
 * there. After `place` p has the lengths of the axes, as many as `rank`, then the strides of each counter.
 */
const walk = (index: string, rank: string, place: string, ...counters: readonly string[]): string => `
  {
    var rest = ${index};
    let rank = ${rank};
    for (var axis = rank; axis > 0u; axis--) {
      let length = p[${place} + axis];
      let step = rest % length;
      rest /= length;
${counters.map((counter, at) => `      ${counter} += step * p[${place} + ${at + 1}u * rank + axis];`).join('\n')}
    }
  }`

const binary = (operator: string): string =>
  elementwise(
    floats('a', 'b'),
    floats('c'),
    `
  var ia = 0u;
  var ib = 0u;${walk('i', 'p[1]', '1u', 'ia', 'ib')}
  c[i] = a[ia] ${operator} b[ib];`
  )

const unary = (expression: string, functions = ''): string =>
  elementwise(
    floats('a'),
    floats('c'),
    `
  let x = a[i];
  c[i] = ${expression};`,
    functions
  )

/** erf as a ratio of polynomials on [-4, 4], outside of which float32 has ±1 (as in Eigen's generic_fast_erf_float); Φ, the normal distribution function. */
const normalCdf = `
fn cdf(x: f32) -> f32 {
  let z = clamp(x * ${Math.SQRT1_2}, -4.0, 4.0);
  let s = z * z;
  var up = -2.72614225801306e-10;
  up = up * s + 2.77068142495902e-08;
  up = up * s - 2.10102402082508e-06;
  up = up * s - 5.69250639462346e-05;
  up = up * s - 7.34990630326855e-04;
  up = up * s - 2.95459980854025e-03;
  up = up * s - 1.60960333262415e-02;
  var down = -1.45660718464996e-05;
  down = down * s - 2.13374055278905e-04;
  down = down * s - 1.68282697438203e-03;
  down = down * s - 7.37332916720468e-03;
  down = down * s - 1.42647390514189e-02;
  return 0.5 + 0.5 * z * up / down;
}`

/** tanh of GELU's inner part. Where it is ±1 in float32, what it is made of may overflow. */
const geluTanh = `
fn inner(x: f32) -> f32 {
  return tanh(clamp(x * (${Math.sqrt(2 / Math.PI)} + ${0.044715 * Math.sqrt(2 / Math.PI)} * x * x), -15.0, 15.0));
}`

/**
 * C [.., M, N] from A and B, transposed or not, over K: a workgroup has a square of 64 by 64, a thread 4 by 4 of it. p: M, N, K, whether A
 * is transposed, whether B is, where A, B and C begin, the number of batch axes, then their lengths and the strides of A and of B.
 */
const matmul = (store: string): string => `
${bindings(floats('a', 'b'), floats('c'))}
var<workgroup> left: array<f32, 1024>;
var<workgroup> right: array<f32, 1024>;
@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u, @builtin(local_invocation_index) thread: u32) {
  let m = p[0];
  let n = p[1];
  let inner = p[2];
  var fromA = p[5];
  var fromB = p[6];${walk('group.z', 'p[8]', '8u', 'fromA', 'fromB')}
  let firstRow = group.y * 64u;
  let firstColumn = group.x * 64u;
  var sums: array<vec4f, 4>;
  for (var start = 0u; start < inner; start += 16u) {
    for (var part = 0u; part < 4u; part++) {
      let e = thread + 256u * part;
      var r = e / 16u;
      var k = e % 16u;
      if (p[3] != 0u) { r = e % 64u; k = e / 64u; }
      var x = 0.0;
      if (firstRow + r < m && start + k < inner) {
        x = a[fromA + select((firstRow + r) * inner + start + k, (start + k) * m + firstRow + r, p[3] != 0u)];
      }
      left[k * 64u + r] = x;
      r = e % 64u;
      k = e / 64u;
      if (p[4] != 0u) { r = e / 16u; k = e % 16u; }
      x = 0.0;
      if (firstColumn + r < n && start + k < inner) {
        x = b[fromB + select((start + k) * n + firstColumn + r, (firstColumn + r) * inner + start + k, p[4] != 0u)];
      }
      right[k * 64u + r] = x;
    }
    workgroupBarrier();
    // Added up by itself, so that a long sum does not lose the digits of what comes late.
    var block = array<vec4f, 4>(vec4f(0.0), vec4f(0.0), vec4f(0.0), vec4f(0.0));
    for (var k = 0u; k < 16u; k++) {
      let y = k * 64u + local.x * 4u;
      let row = vec4f(right[y], right[y + 1u], right[y + 2u], right[y + 3u]);
      let x = k * 64u + local.y * 4u;
      block[0] += left[x] * row;
      block[1] += left[x + 1u] * row;
      block[2] += left[x + 2u] * row;
      block[3] += left[x + 3u] * row;
    }
    for (var i = 0u; i < 4u; i++) { sums[i] += block[i]; }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 4u; j++) {
      let r = firstRow + local.y * 4u + i;
      let q = firstColumn + local.x * 4u + j;
      if (r < m && q < n) {
        let at = p[7] + (group.z * m + r) * n + q;
        let x = sums[i][j];
        ${store}
      }
    }
  }
}`

export const kernels = {
  add: binary('+'),
  sub: binary('-'),
  mul: binary('*'),
  scale: unary('x * bitcast<f32>(p[1])'),
  exp: unary('exp(x)'),
  log: unary('log(x)'),
  reciprocal: unary('1.0 / x'),
  gelu: unary('x * cdf(x)', normalCdf),
  geluTanh: unary('0.5 * x * (1.0 + inner(x))', geluTanh),
  geluSlope: unary(`cdf(x) + x * exp(-0.5 * x * x) * ${1 / Math.sqrt(2 * Math.PI)}`, normalCdf),
  geluTanhSlope: unary(
    `0.5 + 0.5 * inner(x) + 0.5 * x * (1.0 - inner(x) * inner(x)) * (${Math.sqrt(2 / Math.PI)} + ${3 * 0.044715 * Math.sqrt(2 / Math.PI)} * x * x)`,
    geluTanh
  ),
  matmul: matmul('c[at] = x;'),
  /** The exponential of each number of a product: of logits, which are kept nowhere. */
  matmulExp: matmul('c[at] = exp(x);'),
  matmulAdd: matmul('c[at] += x;'),
  /** p: count, where the source begins, where the target begins, rank, lengths, strides of the source, strides of the target. */
  copy: elementwise(
    floats('a'),
    floats('c'),
    `
  var origin = p[1];
  var to = p[2];${walk('i', 'p[3]', '3u', 'origin', 'to')}
  c[to] = a[origin];`
  ),
  /** p: count of sums, of numbers in each, rank of both, then lengths and strides of the axes that stay, and of those that are summed. Numbers are added in blocks, for their rounding. */
  sum: elementwise(
    floats('a'),
    floats('c'),
    `
  let kept = p[2];
  let gone = p[3];
  var origin = 0u;${walk('i', 'kept', '3u', 'origin')}
  let own = 3u + 2u * kept;
  var sum = 0.0;
  var block = 0.0;
  for (var j = 0u; j < p[1]; j++) {
    var at = origin;${walk('j', 'gone', 'own', 'at')}
    block += a[at];
    if (j % 64u == 63u) { sum += block; block = 0.0; }
  }
  c[i] = sum + block;`
  ),
  /** p: count, width. */
  gather: elementwise(
    [...floats('a'), 'ids: array<i32>'],
    floats('c'),
    '  c[i] = a[u32(ids[i / p[1]]) * p[1] + i % p[1]];'
  ),
  zero: elementwise([], floats('c'), '  c[i] = 0.0;'),
  /** p: width, tokens. A thread adds a column from the first token on, so that the sums are the same each time. */
  scatterAdd: elementwise(
    [...floats('a'), 'ids: array<i32>'],
    floats('c'),
    '  for (var token = 0u; token < p[1]; token++) { c[u32(ids[token]) * p[0] + i] += a[token * p[0] + i]; }'
  ),
  layerNorm: rowwise(
    floats('a', 'scale', 'shift'),
    floats('c', 'means', 'inverses'),
    `
  var own = 0.0;
  for (var i = thread; i < width; i += ${groupSize}u) { own += a[row * width + i]; }
  let mean = total(own, thread, false) / f32(width);
  own = 0.0;
  for (var i = thread; i < width; i += ${groupSize}u) { let x = a[row * width + i] - mean; own += x * x; }
  let inverse = 1.0 / sqrt(total(own, thread, false) / f32(width) + bitcast<f32>(p[2]));
  for (var i = thread; i < width; i += ${groupSize}u) { c[row * width + i] = (a[row * width + i] - mean) * inverse * scale[i] + shift[i]; }
  if (thread == 0u) { means[row] = mean; inverses[row] = inverse; }`
  ),
  /** p: rows, width, and the number of rows of an item where row t sees the first t + 1 columns only; 0 where each sees all. */
  softmax: rowwise(
    floats('a'),
    floats('c'),
    `
  var seen = width;
  if (p[2] != 0u) { seen = row % p[2] + 1u; }
  var own = -3.4e38;
  for (var i = thread; i < seen; i += ${groupSize}u) { own = max(own, a[row * width + i]); }
  let most = total(own, thread, true);
  own = 0.0;
  for (var i = thread; i < seen; i += ${groupSize}u) { own += exp(a[row * width + i] - most); }
  let sum = total(own, thread, false);
  for (var i = thread; i < width; i += ${groupSize}u) {
    if (i < seen) { c[row * width + i] = exp(a[row * width + i] - most) / sum; }
    else { c[row * width + i] = 0.0; }
  }`
  ),
  /** Of probabilities a and what b is owed to them, what is owed to their scores. */
  softmaxSlope: rowwise(
    floats('a', 'b'),
    floats('c'),
    `
  var own = 0.0;
  for (var i = thread; i < width; i += ${groupSize}u) { own += a[row * width + i] * b[row * width + i]; }
  let mean = total(own, thread, false);
  for (var i = thread; i < width; i += ${groupSize}u) { c[row * width + i] = a[row * width + i] * (b[row * width + i] - mean); }`
  ),
  logSoftmax: rowwise(
    [...floats('a'), 'ids: array<i32>'],
    floats('loss', 'c'),
    `
  var own = -3.4e38;
  for (var i = thread; i < width; i += ${groupSize}u) { own = max(own, a[row * width + i]); }
  let most = total(own, thread, true);
  own = 0.0;
  for (var i = thread; i < width; i += ${groupSize}u) { own += exp(a[row * width + i] - most); }
  let log_sum = most + log(total(own, thread, false));
  for (var i = thread; i < width; i += ${groupSize}u) { c[row * width + i] = a[row * width + i] - log_sum; }
  if (thread == 0u) { loss[row] = log_sum - a[row * width + u32(ids[row])]; }`
  ),
  /** p: rows, width, and whether the sums are added to what is there. */
  rowSum: rowwise(
    floats('a'),
    floats('c'),
    `
  var own = 0.0;
  for (var i = thread; i < width; i += ${groupSize}u) { own += a[row * width + i]; }
  let sum = total(own, thread, false);
  if (thread == 0u) {
    if (p[2] != 0u) { c[row] += sum; }
    else { c[row] = sum; }
  }`
  )
} as const

export type Kernel = keyof typeof kernels
