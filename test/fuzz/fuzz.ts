/** Opens many hostile workspaces and says which of them ended badly. */
import { parseArgs } from 'node:util'
import { openings } from './openings'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    first: { type: 'string', default: '0' },
    count: { type: 'string', default: '2000' },
    limit: { type: 'string', default: '60' },
    visitor: { type: 'string' },
    terminal: { type: 'string', default: '20' },
    all: { type: 'boolean', default: false },
    'no-links': { type: 'boolean', default: false }
  }
})
const [seed, first, count, limit, terminal] = [
  values.seed,
  values.first,
  values.count,
  values.limit,
  values.terminal
].map(Number)
console.log(`Seed ${seed}: openings ${first} to ${first + count - 1}.`)
let [faults, deaths, slowest] = [0, 0, 0]
const options = { seed, first, count, limit, terminal, links: !values['no-links'], visitor: values.visitor! }
for await (const opening of openings(options)) {
  const { place, mutation, fault, died, seconds, seen } = opening
  if (died) deaths++
  slowest = Math.max(slowest, seconds)
  if (values.all) {
    const messages = seen.map(({ error }) => error.message).join(' | ')
    console.log(`${place} ${mutation.slice(0, 200)}: ${messages.slice(0, 600)}`)
  }
  if (fault === undefined) continue
  faults++
  console.log(`FAULT --seed ${seed} --first ${place} --count 1 (${mutation.slice(0, 300)}): ${fault.slice(0, 1500)}`)
}
const least = `${deaths} deaths of the store process, the slowest took ${slowest.toFixed(1)} s`
console.log(`${count} openings: ${faults} faults, ${least}.`)
process.exitCode = faults === 0 ? 0 : 1
