// The Leiden algorithm (Traag, Waltman and van Eck 2019) for modularity at a resolution. An iteration moves nodes between communities
// while that gains, refines each community from single nodes, makes a node of every refined community, and goes on with that smaller graph,
// until every community is one node. Sums are in float64 and in the order of rows; random words are Philox4x32-10 of
// (block, pass, run, stream).
//
// Addresses are in bytes. A graph is starts: i32 [nodes + 1], degrees: f64 [nodes], and rows one after another: the columns of a row (i32),
// then its weights (W: f32 in the graph as given, f64 in those made from it). It has no loops: a weight inside a node changes no gain,
// and degrees count it.

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

function nextPass(): void {
  pass++
  block = 0
  left = 0
}

/** Merges in the refinement are drawn in proportion to exp(gain / randomness), the gain in units of weight, as the paper's program and igraph do. */
const randomness: f64 = 0.01
/** exp(-window) is nothing beside 1 in float64. */
const window: f64 = 40
/** Gains below this share of a node's degree may be rounding: without a bound, moves might never end. */
const tolerance: f64 = 1e-12

// The graph as given.
let baseNodes: i32 = 0
let baseStarts: usize = 0
let baseDegrees: usize = 0
let baseRows: usize = 0
/** i32 [nodes]: the partition that an iteration begins and ends with. */
let membership: usize = 0
/** i32 [nodes]: the node of the level that holds each node of the graph as given. */
let holders: usize = 0

// Those of its entries that a run may use, and the first address free for what a run makes.
let usedStarts: usize = 0
let usedRows: usize = 0
let arena: usize = 0

// The level at hand.
/** Whether it is the graph as given. */
let given: bool = true
let nodes: i32 = 0
let starts: usize = 0
let degrees: usize = 0
let rows: usize = 0
let communities: usize = 0
let count: i32 = 0

/** Two of each, for the level at hand and for the next one. */
let levelStarts: usize = 0
let levelDegrees: usize = 0
let levelCommunities: usize = 0
let nextStarts: usize = 0
let nextDegrees: usize = 0
let nextCommunities: usize = 0

/** Nodes in the queue, and the place of the first; unused community numbers in `empties`. */
let waiting: i32 = 0
let head: i32 = 0
let free: i32 = 0
let moved: bool = false

// For a level's nodes or communities.
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

/** Where the next level's rows begin, and where the next of them goes. */
let firstRow: usize = 0
let nextRow: usize = 0
/** Sum of the degrees in the community whose nodes merge. */
let whole: f64 = 0

/** Resolution over the sum of all degrees. */
let penalty: f64 = 0

/** Sets where the arrays of a graph are. */
export function begin(
  nodeCount: i32, startsAt: usize, degreesAt: usize, rowsAt: usize, membershipAt: usize, holdersAt: usize, usedStartsAt: usize,
  levelStartsAt: usize, nextStartsAt: usize, levelDegreesAt: usize, nextDegreesAt: usize, levelCommunitiesAt: usize, nextCommunitiesAt: usize,
  queueAt: usize, marksAt: usize, sizesAt: usize, emptiesAt: usize, volumesAt: usize, sumsAt: usize, touchedAt: usize, refinedAt: usize,
  cutsAt: usize, gainsAt: usize, membersAt: usize
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

/** Makes memory reach up to an address, growing by many pages at once as that takes long; false where there is no more. */
function reach(end: u64): bool {
  const missing = <i32>((end + 65535) >> 16) - memory.size()
  if (missing <= 0) return true
  return end < 0xffff0000 && (memory.grow(max(missing, 1024)) >= 0 || memory.grow(missing) >= 0)
}

/** 0 … length - 1 in an order drawn from the words of a pass of its own. */
function shuffle(order: usize, length: i32): void {
  nextPass()
  for (let i = 0; i < length; i++) setInt(order, i, i)
  for (let i = length - 1; i > 0; i--) {
    const j = <i32>((<u64>nextWord() * <u64>(i + 1)) >> 32)
    const kept = int(order, i)
    setInt(order, i, int(order, j))
    setInt(order, j, kept)
  }
}

/** Puts all nodes of the level into the queue, in an order drawn for it. */
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
 * Takes nodes out of the queue, `most` at the most, and moves each to the community with the most to gain; the queue gets those whose
 * neighbourhood has changed. Ties go to the community of the lowest number. Returns how many are left in it.
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

/** Numbers the communities of the level by their lowest nodes; returns how many there are. */
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

/** Fills `members` with the nodes by their number in `groups`, in the order of `order`, or their own where that is 0; `groupStarts`: i32 [groups + 1]. */
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

/** Makes every node a refined community, and orders the nodes by community, at random inside each. */
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

/** Sums the weights of nodes `from` … `to`-1 to the rest of their communities. */
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
    // Staying alone gains 0.
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
 * Merges nodes `from` … `to`-1 of the refinement's order: a node that is alone yet joins a refined community in its community that it is not
 * worse off in, drawn with probability in proportion to exp(gain / randomness). Both must be well connected to the rest of the community.
 */
export function merge(from: i32, to: i32): void {
  if (given) mergeNodes<f32>(from, to)
  else mergeNodes<f64>(from, to)
}

/** Numbers the refined communities, community by community; returns how many there are. */
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

/** Makes rows of the refined communities `from` … `to`-1; false where memory does not suffice. */
export function aggregate(from: i32, to: i32): bool {
  return given ? sumRows<f32>(from, to) : sumRows<f64>(from, to)
}

/** Makes the graph of `groups` refined communities the level at hand. */
export function climb(groups: i32): void {
  for (let v = 0; v < baseNodes; v++) setInt(holders, v, int(refined, int(holders, v)))
  // The level that was at hand is no longer needed, unless it is the first.
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

/** Makes the graph as given the level at hand, with the partition that was found last. */
export function descend(): void {
  given = true
  nodes = baseNodes
  starts = usedStarts
  degrees = baseDegrees
  rows = usedRows
  communities = membership
  for (let v = 0; v < nodes; v++) setInt(holders, v, v)
}

/** Takes the communities of the level at hand over to the nodes of the graph as given. */
export function settle(): void {
  if (communities == membership) return
  for (let v = 0; v < baseNodes; v++) setInt(membership, v, int(communities, int(holders, v)))
}

/** Begins a run with every node alone. */
export function open(seedLow: u32, seedHigh: u32, runNumber: u32, streamNumber: u32, penaltyFactor: f64, end: usize): void {
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
 * Copies of rows `from` … `to`-1 the entries between nodes of one number in `within` (i32 [nodes]), for the run to use in place of
 * all; false where memory does not suffice.
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

/** Parts communities that are not connected, and numbers all by their lowest nodes; returns how many there are. */
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
