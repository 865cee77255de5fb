// Embeds a neighbour graph in the plane by stochastic gradient descent: the ends of an edge attract each other, and
// each end is repelled by randomly sampled nodes (Tang et al. 2016; McInnes et al. 2018). The similarity of two
// points is 1 / (1 + d²). Nodes are processed in order, so the result is deterministic. Random words are
// Philox4x32-10 of (block, epoch, node, stream).
//
// Addresses are in bytes. positions: f32 [nodes, 2]. starts: i32 [nodes + 1]. columns: i32 [entries]. shares: f32
// [entries], the share of epochs in which an entry is used, at most 1.

// @ts-nocheck
let w0: u32 = 0
let w1: u32 = 0
let w2: u32 = 0
let w3: u32 = 0

function philox(key0: u32, key1: u32, block: u32, step: u32, chain: u32, stream: u32): void {
  let c0 = block
  let c1 = step
  let c2 = chain
  let c3 = stream
  let k0 = key0
  let k1 = key1
  for (let round = 0; round < 10; round++) {
    const p0 = <u64>0xd2511f53 * <u64>c0
    const p1 = <u64>0xcd9e8d57 * <u64>c2
    c0 = <u32>(p1 >> 32) ^ c1 ^ k0
    c1 = <u32>p1
    c2 = <u32>(p0 >> 32) ^ c3 ^ k1
    c3 = <u32>p0
    k0 += 0x9e3779b9
    k1 += 0xbb67ae85
  }
  w0 = c0
  w1 = c1
  w2 = c2
  w3 = c3
}

let key0: u32 = 0
let key1: u32 = 0
let step: u32 = 0
let node: u32 = 0
let stream: u32 = 0
let block: u32 = 0
let left: i32 = 0

@inline
function nextWord(): u32 {
  if (left == 0) {
    philox(key0, key1, block++, step, node, stream)
    left = 4
  }
  left--
  const word = w0
  w0 = w1
  w1 = w2
  w2 = w3
  return word
}

/** Runs one epoch for nodes `first` … `last` - 1 at learning rate `rate`. */
export function epoch(
  positions: usize, starts: usize, columns: usize, shares: usize, nodes: i32, first: i32, last: i32, number: i32,
  rate: f32, negatives: i32, seedLow: u32, seedHigh: u32, streamNumber: u32
): void {
  key0 = seedLow
  key1 = seedHigh
  step = number
  stream = streamNumber
  for (let i = first; i < last; i++) {
    node = i
    block = 0
    left = 0
    const at = positions + (<usize>i << 3)
    let x = load<f32>(at)
    let y = load<f32>(at, 4)
    const end = load<i32>(starts + (<usize>i << 2), 4)
    for (let entry = load<i32>(starts + (<usize>i << 2)); entry < end; entry++) {
      const share = <f64>load<f32>(shares + (<usize>entry << 2))
      // Each entry has its own phase, so that entries with equal shares are not all used in the same epochs.
      const phase = <f64>entry * 0.6180339887498949
      const before = phase - floor(phase) + share * <f64>number
      if (floor(before + share) == floor(before)) continue
      const other = positions + (<usize>load<i32>(columns + (<usize>entry << 2)) << 3)
      let dx = x - load<f32>(other)
      let dy = y - load<f32>(other, 4)
      const pull = <f32>-2 / (<f32>1 + dx * dx + dy * dy)
      const moveX = pull * dx * rate
      const moveY = pull * dy * rate
      x += moveX
      y += moveY
      store<f32>(other, load<f32>(other) - moveX)
      store<f32>(other, load<f32>(other, 4) - moveY, 4)
      for (let n = 0; n < negatives; n++) {
        const chosen = <i32>((<u64>nextWord() * <u64>nodes) >> 32)
        if (chosen == i) continue
        const away = positions + (<usize>chosen << 3)
        dx = x - load<f32>(away)
        dy = y - load<f32>(away, 4)
        const squared = dx * dx + dy * dy
        if (squared == 0) continue
        let push = <f32>2 / ((<f32>0.001 + squared) * (<f32>1 + squared))
        // A push is at most 4 long; otherwise near points would be thrown far away.
        if (squared < 0.5) push = min<f32>(push, <f32>4 / sqrt<f32>(squared))
        x += push * dx * rate
        y += push * dy * rate
      }
    }
    store<f32>(at, x)
    store<f32>(at, y, 4)
  }
}
