import { basename, join, resolve } from 'node:path'
import { parseConfiguration } from '../../preload/configuration'
import type { RunConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { describeModel, previewCorpus } from '../pipeline/preview'
import type { CallHandlers, WorkbenchContext } from './context'
import type { Jobs } from './jobs'
import { checkNamed } from './reach'
import { fetchFromHub } from './models'

/** Checks only the part of a configuration that a preview needs. The rest may still be incomplete. */
const forPreview = (value: object): RunConfiguration => {
  const given = Object.entries(value).filter(([key]) => ['model', 'weights', 'corpus', 'rows', 'seed'].includes(key))
  return parseConfiguration(Object.fromEntries(given), 'the preview')
}

export const modelCalls = (context: WorkbenchContext, jobs: Jobs): Pick<CallHandlers, 'models' | 'corpora'> => {
  let stopPreview = (): void => {}
  let previews = 0
  return {
    models: {
      describe: async ({ folder, weights }) => {
        await checkNamed(context.reach, { model: '.', ...(weights === undefined ? {} : { weights }) }, resolve(folder))
        return describeModel(resolve(folder), weights === undefined ? undefined : resolve(folder, weights))
      },
      fetch: async ({ name, revision, folder }) => {
        const workspace = context.workspace()
        if (folder === undefined && workspace.readOnly) {
          const remedy = 'choose another folder for the model'
          throw new SpectroscopeError('workspace', `${workspace.folder} is open read-only; ${remedy}.`)
        }
        const target = folder === undefined ? join(workspace.folder, 'models', basename(name)) : resolve(folder)
        await context.reach.check(target)
        const { job, done } = jobs.start(
          { kind: 'download', title: `Downloading ${name} to ${target}`, run: null, key: `download ${target}` },
          ({ signal, progress }) =>
            fetchFromHub({
              name,
              folder: target,
              signal,
              ...(revision === undefined ? {} : { revision }),
              onEvent: (event) => {
                if (event.type !== 'progress') return
                const { done: megabytes, total, detail, secondsLeft } = event.progress
                progress({
                  ...(total > 0 ? { fraction: megabytes / total } : {}),
                  detail: `${detail ?? ''}, ${Math.round(megabytes)} of ${Math.round(total)} MB`,
                  ...(secondsLeft === undefined ? {} : { secondsLeft })
                })
              }
            })
        )
        done.catch(() => {})
        return job
      }
    },
    corpora: {
      /** A new preview cancels the previous one, whose configuration is outdated. */
      preview: async ({ configuration, baseFolder, rows }) => {
        const checked = forPreview(configuration)
        await checkNamed(context.reach, checked, resolve(baseFolder))
        stopPreview()
        const about = {
          kind: 'preview',
          title: 'Reading corpus for preview',
          run: null,
          key: `preview ${previews++}`
        } as const
        const { done, stop } = jobs.start(about, ({ signal, progress }) =>
          previewCorpus(checked, resolve(baseFolder), rows, { signal, onProgress: progress })
        )
        stopPreview = stop
        return done
      }
    }
  }
}
