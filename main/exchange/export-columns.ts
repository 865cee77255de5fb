import { devinterpName } from '../../preload/devinterp-names'
import type { RunRecord } from '../../preload/records'
import type { Workspace } from '../store/store'

/** Reliability of each column, in order: how much of it is signal. */
export const columnsOf = async (workspace: Workspace, run: RunRecord): Promise<object[]> => {
  const diagnostics = new Map((await workspace.getDiagnostics(run.id)).map((each) => [each.component, each]))
  return run.components.map((component) => {
    const { reliability = null, centredReliability = null, blocks = null } = diagnostics.get(component) ?? {}
    return {
      component,
      devinterp: devinterpName(component),
      reliability,
      centredReliability,
      ...(blocks === null
        ? {}
        : {
            reliabilityBounds: blocks.reliabilityBounds,
            centredReliabilityBounds: blocks.centredReliabilityBounds,
            effectiveShare: blocks.effectiveShare
          })
    }
  })
}
