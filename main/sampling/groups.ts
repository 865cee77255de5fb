import { programName } from '../engine/core'
import type { Together } from './tasks'

/**
 * Replicas of one task at most: sixteen divide what every launch costs by as much, and a device is busy with the rows
 * of so many.
 */
export const mostTogether = 16

/**
 * Which replicas, by number, a device may compute together, given the component of each: those that share a program
 * (heads of a layer, chains of one component), in groups as even as can be. Groups are of a run's chains, whatever of
 * them is still to be done. All weights are a group of their own, as such a program has no other form.
 */
export const groupsOf = (components: readonly string[], most = mostTogether): number[][] => {
  const byProgram = new Map<string, number[]>()
  components.forEach((component, replica) => {
    const key = component === 'full' ? `full ${replica}` : programName(component)
    byProgram.set(key, [...(byProgram.get(key) ?? []), replica])
  })
  return [...byProgram.values()].flatMap((all) => {
    const size = Math.ceil(all.length / Math.ceil(all.length / most))
    return Array.from({ length: Math.ceil(all.length / size) }, (_, group) =>
      all.slice(group * size, (group + 1) * size)
    )
  })
}

/**
 * Groups of `replicas` as tasks take them: those that share a program and are `alike`; of a group, the others count
 * for its width.
 */
export const groupsAlike = (
  components: readonly string[],
  replicas: readonly number[],
  most: number,
  alike: (replica: number) => number
): Together[] => {
  const present = new Set(replicas)
  const groups = new Map<string, number[]>()
  for (const [at, component] of components.entries()) {
    const key = `${programName(component)} ${alike(at)}`
    groups.set(key, [...(groups.get(key) ?? []), at])
  }
  return [...groups.values()]
    .flatMap((all) =>
      groupsOf(
        all.map((at) => components[at]),
        most
      ).map((group) => ({ replicas: group.map((i) => all[i]).filter((at) => present.has(at)), width: group.length }))
    )
    .filter((group) => group.replicas.length > 0)
}
