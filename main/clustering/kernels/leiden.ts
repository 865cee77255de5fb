// The Leiden algorithm (Traag, Waltman and van Eck 2019) for modularity with a resolution. An iteration moves nodes
// between communities while that improves modularity, refines each community starting from single nodes, and turns
// every refined community into a node. It repeats this on the smaller graph until every community is one node. Sums
// are in float64, in row order. Random words are Philox4x32-10 of (block, pass, run, stream).
//
// Addresses are in bytes. A graph consists of starts: i32 [nodes + 1], degrees: f64 [nodes], and its rows, one after
// another: the columns of a row (i32), then its weights (type W: f32 in the given graph, f64 in the graphs made from
// it). There are no self-loops: weight inside a node affects no gain, and degrees include it.

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
let pass: u32 = 0
let run: u32 = 0
let stream: u32 = 0
let block: u32 = 0
let left: i32 = 0

function nextWord(): u32 {
  if (left == 0) {
    philox(key0, key1, block++, pass, run, stream)
    left = 4
  }
  left--
  const word = w0
  w0 = w1
  w1 = w2
  w2 = w3
  return word
}

/** Draws a number below `count`. */
function choose(count: i32): i32 {
  return <i32>((<u64>nextWord() * <u64>count) >> 32)
}

function nextPass(): void {
  pass++
  block = 0
  left = 0
}

/**
 * θ: a merge is drawn with probability proportional to exp(gain / θ). Gains are in units of edge weight, as in the
 * authors' program and igraph.
 */
const randomness: f64 = 0.01
/** exp(-window) is lost when added to 1 in float64. */
const window: f64 = 40
/**
 * A move must gain more than this share of the node's degree. Smaller gains may be rounding errors, and moves might
 * never end.
 */
const tolerance: f64 = 1e-12
/** Nodes per block of a random order. Partitions are as good as with blocks of one node. */
const blockNodes: i32 = 64

// The given graph.
let baseNodes: i32 = 0
let baseStarts: usize = 0
let baseDegrees: usize = 0
let baseRows: usize = 0
/** i32 [nodes]: the partition before and after an iteration. */
let membership: usize = 0
/** i32 [nodes]: for each node of the given graph, the node of the current level that contains it. */
let holders: usize = 0

// Entries of the given graph that a run uses, and the first free address for graphs made during the run.
let usedStarts: usize = 0
let usedRows: usize = 0
let arena: usize = 0

// The current level.
/** Whether the current level is the given graph. */
let given: bool = true
let nodes: i32 = 0
let starts: usize = 0
let degrees: usize = 0
let rows: usize = 0
let communities: usize = 0
let count: i32 = 0

// Arrays of levels above the given graph. The current and the next level swap places.
let levelStarts: usize = 0
let levelDegrees: usize = 0
let levelCommunities: usize = 0
let nextStarts: usize = 0
let nextDegrees: usize = 0
let nextCommunities: usize = 0

/** Number of nodes in the queue. */
let waiting: i32 = 0
/** Position of the first node in the queue. */
let head: i32 = 0
/** Number of empty communities in the list of free ones. */
let free: i32 = 0
/** Whether any node moved since the queue was filled. */
let moved: bool = false

// Work space: one element per node or community of a level.
let queue: usize = 0
let marks: usize = 0
let sizes: usize = 0
let empties: usize = 0
let volumes: usize = 0
let sums: usize = 0
let touched: usize = 0
let refined: usize = 0
let cuts: usize = 0
let gains: usize = 0
let members: usize = 0

/** Address of the next level's first row. */
let firstRow: usize = 0
/** Address of the next row to write. */
let nextRow: usize = 0
/** Sum of degrees in the community that is being refined. */
let whole: f64 = 0

/** Resolution divided by the sum of all degrees. */
let penalty: f64 = 0

/** Sets the size of the given graph and the addresses of all arrays. */
export function begin(
  nodeCount: i32, startsAt: usize, degreesAt: usize, rowsAt: usize, membershipAt: usize, holdersAt: usize,
  usedStartsAt: usize, levelStartsAt: usize, nextStartsAt: usize, levelDegreesAt: usize, nextDegreesAt: usize,
  levelCommunitiesAt: usize, nextCommunitiesAt: usize, queueAt: usize, marksAt: usize, sizesAt: usize,
  emptiesAt: usize, volumesAt: usize, sumsAt: usize, touchedAt: usize, refinedAt: usize, cutsAt: usize, gainsAt: usize,
  membersAt: usize
): void {
  baseNodes = nodeCount
  baseStarts = startsAt
  baseDegrees = degreesAt
  baseRows = rowsAt
  membership = membershipAt
  holders = holdersAt
  usedStarts = usedStartsAt
  levelStarts = levelStartsAt
  nextStarts = nextStartsAt
  levelDegrees = levelDegreesAt
  nextDegrees = nextDegreesAt
  levelCommunities = levelCommunitiesAt
  nextCommunities = nextCommunitiesAt
  queue = queueAt
  marks = marksAt
  sizes = sizesAt
  empties = emptiesAt
  volumes = volumesAt
  sums = sumsAt
  touched = touchedAt
  refined = refinedAt
  cuts = cutsAt
  gains = gainsAt
  members = membersAt
}

@inline
function int(array: usize, index: i32): i32 {
  return load<i32>(array + (<usize>index << 2))
}

@inline
function setInt(array: usize, index: i32, value: i32): void {
  store<i32>(array + (<usize>index << 2), value)
}

@inline
function real(array: usize, index: i32): f64 {
  return load<f64>(array + (<usize>index << 3))
}

@inline
function setReal(array: usize, index: i32, value: f64): void {
  store<f64>(array + (<usize>index << 3), value)
}

/**
 * Grows memory up to an address, by many pages at once because growing is slow. Returns false if no memory is left.
 */
function reach(end: u64): bool {
  const missing = <i32>((end + 65535) >> 16) - memory.size()
  if (missing <= 0) return true
  return end < 0xffff0000 && (memory.grow(max(missing, 1024)) >= 0 || memory.grow(missing) >= 0)
}

/**
 * Writes 0 … length - 1 in random order. In the given graph, blocks of nodes stay together and are shuffled inside:
 * the caller numbered neighbours close to one another, so a block's rows and their communities fit into the cache.
 */
function shuffle(order: usize, length: i32): void {
  nextPass()
  const size = given ? blockNodes : 1
  const blocks = (length + size - 1) / size
  for (let b = 0; b < blocks; b++) setInt(touched, b, b)
  for (let b = blocks - 1; b > 0; b--) {
    const other = choose(b + 1)
    const kept = int(touched, b)
    setInt(touched, b, int(touched, other))
    setInt(touched, other, kept)
  }
  let at = 0
  for (let b = 0; b < blocks; b++) {
    const from = int(touched, b) * size
    const to = min(length, from + size)
    const first = at
    for (let v = from; v < to; v++, at++) {
      const other = v == from ? at : first + choose(at + 1 - first)
      setInt(order, at, int(order, other))
      setInt(order, other, v)
    }
  }
}

/** Puts all nodes of the level into the queue, in random order. */
export function beginMoves(): void {
  shuffle(queue, nodes)
  memory.fill(marks, 1, nodes)
  memory.fill(sizes, 0, <usize>nodes << 2)
  memory.fill(volumes, 0, <usize>nodes << 3)
  for (let v = 0; v < nodes; v++) {
    const own = int(communities, v)
    setInt(sizes, own, int(sizes, own) + 1)
    setReal(volumes, own, real(volumes, own) + real(degrees, v))
  }
  free = 0
  for (let c = nodes - 1; c >= 0; c--) if (int(sizes, c) == 0) setInt(empties, free++, c)
  head = 0
  waiting = nodes
  moved = false
}

function moveNodes<W>(most: i32): void {
  const stride = <usize>4 + sizeof<W>()
  for (; waiting > 0 && most > 0; most--) {
    const v = int(queue, head)
    if (++head == nodes) head = 0
    waiting--
    store<u8>(marks + v, 0)
    const start = int(starts, v)
    const length = int(starts, v + 1) - start
    if (length == 0) continue
    const row = rows + <usize>start * stride
    const end = row + (<usize>length << 2)
    const own = int(communities, v)
    const degree = real(degrees, v)
    let last = touched
    let weight = end
    for (let column = row; column < end; column += 4, weight += sizeof<W>()) {
      const c = int(communities, load<i32>(column))
      const sum = real(sums, c)
      store<i32>(last, c)
      last += <usize>(sum == 0) << 2
      setReal(sums, c, sum + <f64>load<W>(weight))
    }
    const scale = penalty * degree
    let highest = real(sums, own) - scale * (real(volumes, own) - degree) + tolerance * degree
    let best = own
    setReal(sums, own, 0)
    for (let at = touched; at < last; at += 4) {
      const c = load<i32>(at)
      const gain = real(sums, c) - scale * real(volumes, c)
      setReal(sums, c, 0)
      if (gain < highest || c == own) continue
      if (gain == highest && (best == own || c > best)) continue
      highest = gain
      best = c
    }
    if (highest < 0 && int(sizes, own) > 1) best = int(empties, free - 1)
    if (best == own) continue
    moved = true
    setInt(communities, v, best)
    setReal(volumes, own, real(volumes, own) - degree)
    setReal(volumes, best, real(volumes, best) + degree)
    const before = int(sizes, best)
    if (before == 0) free--
    setInt(sizes, best, before + 1)
    const rest = int(sizes, own) - 1
    setInt(sizes, own, rest)
    if (rest == 0) {
      setInt(empties, free++, own)
      setReal(volumes, own, 0)
    }
    let tail = head + waiting
    if (tail >= nodes) tail -= nodes
    for (let column = row; column < end; column += 4) {
      const u = load<i32>(column)
      if (load<u8>(marks + u) != 0 || int(communities, u) == best) continue
      store<u8>(marks + u, 1)
      setInt(queue, tail, u)
      if (++tail == nodes) tail = 0
      waiting++
    }
  }
}

/**
 * Takes up to `most` nodes from the queue and moves each to the community with the largest gain; ties go to the
 * lowest number. When a node moves, its neighbours in other communities join the queue. Returns the number of nodes
 * left in the queue.
 */
export function move(most: i32): i32 {
  if (given) moveNodes<f32>(most)
  else moveNodes<f64>(most)
  return waiting
}

/** Whether any node moved since the queue was filled. */
export function hasMoved(): bool {
  return moved
}

/** Renumbers the communities of the level by their lowest nodes. Returns how many there are. */
export function compact(): i32 {
  memory.fill(sizes, 0xff, <usize>nodes << 2)
  count = 0
  for (let v = 0; v < nodes; v++) {
    const c = int(communities, v)
    if (int(sizes, c) < 0) setInt(sizes, c, count++)
    setInt(communities, v, int(sizes, c))
  }
  return count
}

/**
 * Sorts the nodes into `members` by their group. Inside a group they keep the order of `order`, or of their numbers if
 * `order` is 0. groupStarts: i32 [groups + 1], where each group begins.
 */
function group(groups: usize, groupCount: i32, groupStarts: usize, order: usize): void {
  memory.fill(groupStarts, 0, (<usize>groupCount + 1) << 2)
  for (let v = 0; v < nodes; v++) {
    const g = int(groups, v) + 1
    setInt(groupStarts, g, int(groupStarts, g) + 1)
  }
  for (let g = 0; g < groupCount; g++) setInt(groupStarts, g + 1, int(groupStarts, g) + int(groupStarts, g + 1))
  for (let i = 0; i < nodes; i++) {
    const v = order == 0 ? i : int(order, i)
    const g = int(groups, v)
    const at = int(groupStarts, g)
    setInt(members, at, v)
    setInt(groupStarts, g, at + 1)
  }
  for (let g = groupCount; g > 0; g--) setInt(groupStarts, g, int(groupStarts, g - 1))
  setInt(groupStarts, 0, 0)
}

/** Makes every node its own refined community, and sorts the nodes by community, in random order inside each. */
export function beginRefinement(): void {
  shuffle(queue, nodes)
  group(communities, count, empties, queue)
  memory.fill(marks, 0, nodes)
  memory.copy(volumes, degrees, <usize>nodes << 3)
  for (let v = 0; v < nodes; v++) setInt(refined, v, v)
  nextPass()
}

function measureCuts<W>(from: i32, to: i32): void {
  const stride = <usize>4 + sizeof<W>()
  for (let v = from; v < to; v++) {
    const own = int(communities, v)
    const start = int(starts, v)
    const length = int(starts, v + 1) - start
    const row = rows + <usize>start * stride
    const end = row + (<usize>length << 2)
    let weight = end
    let sum: f64 = 0
    for (let column = row; column < end; column += 4, weight += sizeof<W>()) {
      sum += int(communities, load<i32>(column)) == own ? <f64>load<W>(weight) : 0
    }
    setReal(cuts, v, sum)
  }
}

/** Sums each node's weight to the rest of its community, for nodes `from` … `to`-1. */
export function measure(from: i32, to: i32): void {
  if (given) measureCuts<f32>(from, to)
  else measureCuts<f64>(from, to)
}

function mergeNodes<W>(from: i32, to: i32): void {
  const stride = <usize>4 + sizeof<W>()
  for (let i = from; i < to; i++) {
    const v = int(members, i)
    const c = int(communities, v)
    if (i == int(empties, c)) {
      const after = int(empties, c + 1)
      whole = 0
      for (let j = i; j < after; j++) whole += real(degrees, int(members, j))
    }
    if (load<u8>(marks + v) != 0) continue
    const degree = real(degrees, v)
    const scale = penalty * degree
    const cut = real(cuts, v)
    if (cut < scale * (whole - degree)) continue
    const start = int(starts, v)
    const length = int(starts, v + 1) - start
    const row = rows + <usize>start * stride
    const end = row + (<usize>length << 2)
    let last = touched
    let weight = end
    for (let column = row; column < end; column += 4, weight += sizeof<W>()) {
      const u = load<i32>(column)
      if (int(communities, u) != c) continue
      const r = int(refined, u)
      const sum = real(sums, r)
      store<i32>(last, r)
      last += <usize>(sum == 0) << 2
      setReal(sums, r, sum + <f64>load<W>(weight))
    }
    // A node that stays alone gains 0.
    let most: f64 = 0
    let gain = gains
    for (let at = touched; at < last; at += 4, gain += 8) {
      const r = load<i32>(at)
      const volume = real(volumes, r)
      const value = real(cuts, r) < penalty * volume * (whole - volume) ? -1 : real(sums, r) - scale * volume
      store<f64>(gain, value)
      most = max(most, value)
    }
    const least = max(most - window * randomness, 0)
    const alone = least == 0 ? Math.exp(-most / randomness) : 0
    let total = alone
    let chosen = v
    let candidates = least == 0 ? 1 : 0
    gain = gains
    for (let at = touched; at < last; at += 4, gain += 8) {
      const value = load<f64>(gain)
      if (value < least) continue
      total += Math.exp((value - most) / randomness)
      candidates++
      chosen = load<i32>(at)
    }
    if (candidates > 1) {
      let drawn = (<f64>nextWord() / 4294967296) * total - alone
      if (drawn < 0) chosen = v
      else {
        gain = gains
        for (let at = touched; at < last; at += 4, gain += 8) {
          const value = load<f64>(gain)
          if (value < least) continue
          chosen = load<i32>(at)
          drawn -= Math.exp((value - most) / randomness)
          if (drawn < 0) break
        }
      }
    }
    if (chosen != v) {
      setInt(refined, v, chosen)
      store<u8>(marks + chosen, 1)
      setReal(volumes, chosen, real(volumes, chosen) + degree)
      setReal(cuts, chosen, real(cuts, chosen) + cut - 2 * real(sums, chosen))
    }
    for (let at = touched; at < last; at += 4) setReal(sums, load<i32>(at), 0)
  }
}

/**
 * Refines nodes `from` … `to`-1 of `members`. A node that is still alone joins a refined community inside its
 * community or stays alone. The choice is random, with probability proportional to exp(gain / θ), among the options
 * that lose nothing. Both the node and the refined community must be well connected to the rest of the community.
 */
export function merge(from: i32, to: i32): void {
  if (given) mergeNodes<f32>(from, to)
  else mergeNodes<f64>(from, to)
}

/** Numbers the refined communities, grouped by community. Returns how many there are. */
export function beginAggregation(): i32 {
  memory.fill(sizes, 0xff, <usize>nodes << 2)
  let groups = 0
  for (let i = 0; i < nodes; i++) {
    const r = int(refined, int(members, i))
    if (int(sizes, r) < 0) setInt(sizes, r, groups++)
  }
  for (let v = 0; v < nodes; v++) setInt(refined, v, int(sizes, int(refined, v)))
  group(refined, groups, empties, 0)
  firstRow = given ? arena : rows + <usize>int(starts, nodes) * 12
  nextRow = firstRow
  setInt(nextStarts, 0, 0)
  return groups
}

function sumRows<W>(from: i32, to: i32): bool {
  const stride = <usize>4 + sizeof<W>()
  for (let g = from; g < to; g++) {
    const after = int(empties, g + 1)
    let last = touched
    let degree: f64 = 0
    for (let i = int(empties, g); i < after; i++) {
      const v = int(members, i)
      degree += real(degrees, v)
      setInt(nextCommunities, g, int(communities, v))
      const start = int(starts, v)
      const length = int(starts, v + 1) - start
      const row = rows + <usize>start * stride
      const end = row + (<usize>length << 2)
      let weight = end
      for (let column = row; column < end; column += 4, weight += sizeof<W>()) {
        const r = int(refined, load<i32>(column))
        if (r == g) continue
        const sum = real(sums, r)
        store<i32>(last, r)
        last += <usize>(sum == 0) << 2
        setReal(sums, r, sum + <f64>load<W>(weight))
      }
    }
    setReal(nextDegrees, g, degree)
    const bytes = last - touched
    if (!reach(<u64>nextRow + 3 * <u64>bytes)) return false
    let weight = nextRow + bytes
    for (let at = touched; at < last; at += 4, nextRow += 4, weight += 8) {
      const r = load<i32>(at)
      store<i32>(nextRow, r)
      store<f64>(weight, real(sums, r))
      setReal(sums, r, 0)
    }
    nextRow = weight
    setInt(nextStarts, g + 1, int(nextStarts, g) + <i32>(bytes >> 2))
  }
  return true
}

/** Writes the rows of refined communities `from` … `to`-1. Returns false if no memory is left. */
export function aggregate(from: i32, to: i32): bool {
  return given ? sumRows<f32>(from, to) : sumRows<f64>(from, to)
}

/** Makes the graph of the refined communities the current level. */
export function climb(groups: i32): void {
  for (let v = 0; v < baseNodes; v++) setInt(holders, v, int(refined, int(holders, v)))
  // The new level overwrites the previous one, unless that is the given graph.
  memory.copy(arena, firstRow, nextRow - firstRow)
  given = false
  rows = arena
  nodes = groups
  starts = nextStarts
  nextStarts = levelStarts
  levelStarts = starts
  degrees = nextDegrees
  nextDegrees = levelDegrees
  levelDegrees = degrees
  communities = nextCommunities
  nextCommunities = levelCommunities
  levelCommunities = communities
}

/** Makes the given graph the current level, with the partition found so far. */
export function descend(): void {
  given = true
  nodes = baseNodes
  starts = usedStarts
  degrees = baseDegrees
  rows = usedRows
  communities = membership
  for (let v = 0; v < nodes; v++) setInt(holders, v, v)
}

/** Gives every node of the given graph the community of its holder. */
export function settle(): void {
  if (communities == membership) return
  for (let v = 0; v < baseNodes; v++) setInt(membership, v, int(communities, int(holders, v)))
}

/** Begins a run with every node alone. `end` is the first address after all arrays. */
export function open(
  seedLow: u32, seedHigh: u32, runNumber: u32, streamNumber: u32, penaltyFactor: f64, end: usize
): void {
  key0 = seedLow
  key1 = seedHigh
  run = runNumber
  stream = streamNumber
  pass = 0
  penalty = penaltyFactor
  memory.fill(sums, 0, <usize>baseNodes << 3)
  for (let v = 0; v < baseNodes; v++) setInt(membership, v, v)
  memory.copy(usedStarts, baseStarts, (<usize>baseNodes + 1) << 2)
  usedRows = baseRows
  arena = end
}

/**
 * Copies the entries of rows `from` … `to`-1 whose two nodes have the same number in `within` (i32 [nodes]). The run
 * then uses only these entries. Returns false if no memory is left.
 */
export function restrict(within: usize, from: i32, to: i32): bool {
  if (from == 0) usedRows = arena
  for (let v = from; v < to; v++) {
    const own = int(within, v)
    const start = int(baseStarts, v)
    const length = int(baseStarts, v + 1) - start
    const row = baseRows + (<usize>start << 3)
    const bytes = <usize>length << 2
    if (!reach(<u64>arena + 2 * <u64>bytes)) return false
    let column = arena
    for (let at: usize = 0; at < bytes; at += 4) {
      const u = load<i32>(row + at)
      store<i32>(column, u)
      column += <usize>(int(within, u) == own) << 2
    }
    const inside = column - arena
    for (let at: usize = 0; at < bytes; at += 4) {
      store<i32>(column, load<i32>(row + bytes + at))
      column += <usize>(int(within, load<i32>(row + at)) == own) << 2
    }
    arena = column
    setInt(usedStarts, v + 1, int(usedStarts, v) + <i32>(inside >> 2))
  }
  return true
}

/** Splits communities that are not connected, then renumbers all of them. Returns how many there are. */
export function split(): i32 {
  let number = 0
  memory.fill(marks, 0, baseNodes)
  memory.copy(refined, membership, <usize>baseNodes << 2)
  for (let first = 0; first < baseNodes; first++) {
    if (load<u8>(marks + first) != 0) continue
    store<u8>(marks + first, 1)
    setInt(queue, 0, first)
    let tail = 1
    for (let head = 0; head < tail; head++) {
      const v = int(queue, head)
      const own = int(refined, v)
      setInt(membership, v, number)
      const start = int(usedStarts, v)
      const length = int(usedStarts, v + 1) - start
      const row = usedRows + (<usize>start << 3)
      const end = row + (<usize>length << 2)
      for (let column = row; column < end; column += 4) {
        const u = load<i32>(column)
        if (load<u8>(marks + u) != 0 || int(refined, u) != own) continue
        store<u8>(marks + u, 1)
        setInt(queue, tail++, u)
      }
    }
    number++
  }
  return number
}
