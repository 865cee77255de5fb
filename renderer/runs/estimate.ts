import type { Estimate } from '../../preload/contract'
import { bytes, duration, percent } from '../ui/format'

export interface EstimateWarning {
  readonly level: 'bad' | 'warn'
  readonly words: string
}

const longSeconds = 86_400
const tight = 0.75

/** Warns if a run needs more than this machine has, or nearly so, with a remedy. */
export const estimateWarnings = ({
  memoryBytes,
  machineMemoryBytes,
  diskBytes,
  diskFreeBytes,
  seconds
}: Estimate): EstimateWarning[] => {
  const warnings: EstimateWarning[] = []
  const warn = (level: EstimateWarning['level'], words: string): void => void warnings.push({ level, words })
  const memory = memoryBytes / machineMemoryBytes
  if (memory > 1)
    warn(
      'bad',
      `Needs ${bytes(memoryBytes)} of memory, but this machine has ${bytes(machineMemoryBytes)}. Use fewer probe ` +
        'rows, fewer probe tokens per row, or fewer threads.'
    )
  else if (memory > tight)
    warn('warn', `Needs ${percent(memory)} of this machine’s memory: close other programs or use fewer probe rows.`)
  if (diskBytes > diskFreeBytes)
    warn(
      'bad',
      `Needs ${bytes(diskBytes)} on disk, but only ${bytes(diskFreeBytes)} are free. Free some space or use fewer ` +
        'probe tokens.'
    )
  else if (diskBytes > tight * diskFreeBytes)
    warn('warn', `Takes ${percent(diskBytes / diskFreeBytes)} of the free disk space.`)
  const total = Object.values(seconds).reduce((sum, each) => sum + each, 0)
  if (total > longSeconds)
    warn(
      'warn',
      `Takes ${duration(total)}: the preset "first-order" or "quick", fewer components or fewer probe rows ` +
        'would be ' +
        'faster. You can pause it at any time.'
    )
  return warnings
}
