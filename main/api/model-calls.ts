import { basename, join, resolve } from 'node:path'
import type { HandlersOf, WorkbenchContext } from './context'
import type { Jobs } from './jobs'
import { fetchFromHub } from './models'

export const modelCalls = (context: WorkbenchContext, jobs: Jobs): Pick<HandlersOf<'models'>, 'models.fetch'> => ({
  'models.fetch': ({ name, revision, folder }) => {
    const target = folder === undefined ? join(context.workspace().folder, 'models', basename(name)) : resolve(folder)
    const { job, done } = jobs.start({ kind: 'download', title: `Downloading ${name} to ${target}`, run: null, key: `download ${target}` }, ({ signal, progress }) =>
      fetchFromHub({
        name, folder: target, signal,
        ...(revision === undefined ? {} : { revision }),
        onEvent: (event) => {
          if (event.type !== 'progress') return
          const { done: megabytes, total, detail, secondsLeft } = event.progress
          progress({ ...(total > 0 ? { fraction: megabytes / total } : {}), detail: `${detail ?? ''}, ${Math.round(megabytes)} of ${Math.round(total)} MB`, ...(secondsLeft === undefined ? {} : { secondsLeft }) })
        }
      }))
    done.catch(() => {})
    return job
  }
})
