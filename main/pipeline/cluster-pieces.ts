import { clusteringProgress } from './progress'
import { readClusterSet, type ClusterPiece, type ClusterSet } from './cluster-set'
import type { Companion } from './companion'
import { aboutPiece, checkDone, choosePiece, withPiece, type PieceOptions } from './pieces'
import { mostThreadsHere } from './room'
import { ComputeSession } from './session'
import { pieceFolder } from './shard-set'
import { threadsOfPiece } from './shard-scripts'
import { Stopwatch } from './stopwatch'

export interface ClusterPieceSummary {
  readonly folder: string
  readonly piece: number
  readonly pieces: number
  readonly finds: 'neighbours' | 'local clusters'
  /** Whether it had been done before. */
  readonly already: boolean
  readonly seconds: number
}

const workWith = async (
  folder: string,
  set: ClusterSet,
  piece: ClusterPiece,
  options: PieceOptions,
  companion: Companion
): Promise<number> => {
  const { onEvent, checkpointSeconds, threads = Math.min(threadsOfPiece(set), mostThreadsHere()) } = options
  const own = pieceFolder(folder, piece.index)
  const session = new ComputeSession((message) => onEvent({ type: 'note', message }))
  const stopwatch = new Stopwatch(own, checkpointSeconds)
  await stopwatch.open()
  const stage = piece.search === null ? 'neighbours' : 'cluster'
  onEvent({ type: 'stage', stage, detail: `shard ${piece.index} of ${set.pieces.length}, ${threads} threads` })
  stopwatch.start(stage)
  try {
    return await session.use('piece', async (compute) => {
      const off = compute.on('clustering', (report) =>
        onEvent({ type: 'progress', progress: clusteringProgress(report) })
      )
      try {
        const about = aboutPiece(set, piece.index, threads)
        const request = {
          folder,
          piece: piece.index,
          threads,
          everySeconds: checkpointSeconds,
          about,
          secondsBefore: stopwatch.seconds
        }
        await companion.during((signal) => compute.call('clusterPiece', request, { signal }))
        return stopwatch.seconds
      } finally {
        off()
      }
    })
  } finally {
    await session.close()
    await stopwatch.close()
  }
}

/** The pieces whose results one of local clusters begins with. */
const neededBy = ({ pieces }: ClusterSet, { search }: ClusterPiece): ClusterPiece[] =>
  search === null ? [] : pieces.filter(({ segments }) => segments.some(({ variant }) => variant === search))

/**
 * Works on one piece of a clustering, from its checkpoint where there is one, and writes its result. Does nothing
 * where that is there already. Throws a `usage` error where it needs other pieces that are not done, a `workspace`
 * error while another process is at it, and an `interrupted` error after a checkpoint when it is stopped.
 */
export const runClusterPiece = async (
  folder: string,
  index: number,
  options: PieceOptions
): Promise<ClusterPieceSummary> => {
  const set = await readClusterSet(folder)
  const piece = choosePiece(folder, set.pieces, index)
  await checkDone(folder, neededBy(set, piece))
  const summary = {
    folder,
    piece: index,
    pieces: set.pieces.length,
    finds: piece.search === null ? 'neighbours' : 'local clusters'
  } as const
  const seconds = await withPiece(folder, index, options, (companion) =>
    workWith(folder, set, piece, options, companion)
  )
  if (seconds === null) return { ...summary, already: true, seconds: 0 }
  options.onEvent({
    type: 'finished',
    stage: piece.search === null ? 'neighbours' : 'cluster',
    seconds,
    detail: `shard ${index} of ${set.pieces.length}`
  })
  return { ...summary, already: false, seconds }
}
