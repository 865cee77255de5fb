import { programName } from '../engine/core'
import type { ReplicaGroup } from './tasks'

/** Limit of replicas in one task. Sixteen share the cost of each kernel launch and keep a device busy. */
export const mostInTask = 16

/**
 * Groups the replicas that a device may compute together, given each replica's component: those that share a program
 * (heads of a layer, chains of one component), in groups of nearly equal size. Groups depend on the run's chains
 * alone, not on what is left to do. `full` is always alone, because its program has no stacked form.
 */
export const programGroups = (components: readonly string[], most = mostInTask): number[][] => {
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
 * Groups `replicas` into tasks: those that share a program and have equal `alike`. The width of a task counts all
 * such replicas of the run, not only those in `replicas`.
 */
export const taskGroups = (
  components: readonly string[],
  replicas: readonly number[],
  most: number,
  alike: (replica: number) => number
): ReplicaGroup[] => {
  const present = new Set(replicas)
  const groups = new Map<string, number[]>()
  for (const [at, component] of components.entries()) {
    const key = `${programName(component)} ${alike(at)}`
    groups.set(key, [...(groups.get(key) ?? []), at])
  }
  return [...groups.values()]
    .flatMap((all) =>
      programGroups(
        all.map((at) => components[at]),
        most
      ).map((group) => ({ replicas: group.map((i) => all[i]).filter((at) => present.has(at)), width: group.length }))
    )
    .filter((group) => group.replicas.length > 0)
}
