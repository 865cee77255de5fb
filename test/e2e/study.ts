import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { quickChains } from '../quick-chains'
import { uniforms, writeTinyModel } from '../tiny-model'

const words = ['the', 'a', 'on', 'in', 'other', 'there', 'rain', 'stone', 'an', 'tea,', 'then.']

/**
 * A tiny random model in `folder`/tiny that takes rows of the usual length, and a small corpus of two subsets in
 * `folder`/texts.
 */
export const writeStudy = async (folder: string): Promise<void> => {
  await writeTinyModel(join(folder, 'tiny'), { contextLength: 128 })
  const texts = join(folder, 'texts')
  mkdirSync(texts, { recursive: true })
  const uniform = uniforms(5)
  const pick = (choices: readonly string[]): string => choices[Math.floor(uniform() * choices.length)]
  const kinds: Readonly<Record<string, () => string>> = {
    prose: () => Array.from({ length: 40 }, () => pick(words)).join(' '),
    code: () =>
      Array.from(
        { length: 8 },
        () =>
          `if (${pick(['a', 'b', 'n'])} < ${Math.floor(100 * uniform())}) {\n  return [${pick(['x', 'y'])}, ` +
          `"${pick(['on', 'in'])}"]\n}\n`
      ).join('')
  }
  for (const [subset, text] of Object.entries(kinds)) {
    writeFileSync(
      join(texts, `${subset}.jsonl`),
      Array.from({ length: 60 }, () => JSON.stringify({ text: text(), meta: { subset } })).join('\n')
    )
  }
}

/**
 * Settings with which the study takes some seconds and gives about ten clusters of 920 tokens; of `draws` draws, as
 * many as a test needs time.
 */
export const studyConfiguration = (
  draws = 8
): Readonly<Record<'model' | 'corpus' | 'sampler' | 'clustering', unknown>> => ({
  model: 'tiny',
  corpus: { files: ['texts'], rowLength: 24, sampling: 64, observation: 16, probe: 40 },
  sampler: { ...quickChains, stepSize: 1e-4, burnIn: 2, draws, stepsBetweenDraws: 6 },
  clustering: { neighbours: 8, minSize: 5, maxRejections: 30, alpha: 0.05, epsilon: 1e-5 }
})

/** The study to first order, in two rounds; its tokens in communities. */
export const roundsConfiguration = (): object => ({
  ...studyConfiguration(),
  sampler: { preset: 'first-order', observationBatch: 4, targetReliability: false, rounds: 2 },
  clustering: { neighbours: 8, minSize: 5 }
})

/** Fills the form of a new run with a configuration as JSON; everything about it is in view then. */
export const fillStudy = async (
  page: Page,
  folder: string,
  name: string,
  configuration: object,
  isMeasured = true
): Promise<void> => {
  await page
    .getByRole('button', { name: /^New run/ })
    .first()
    .click()
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill(name)
  await page.getByRole('textbox', { name: 'Base folder of paths' }).fill(folder)
  await page.getByRole('button', { name: 'JSON', exact: true }).click()
  await page.getByRole('textbox', { name: 'Configuration as JSON' }).fill(JSON.stringify(configuration))
  await page.getByText('✓ Ready to start').waitFor()
  // The machine's rate is measured for the estimate, by a compute process of its own; that of a test's engine is not.
  if (isMeasured) await page.getByText('for 920 tokens × 8 components').waitFor()
}

/**
 * Starts a run of the study by its configuration as JSON, without stabilities, which would cluster the halves of its
 * draws as well; its progress is in view then.
 */
export const startStudy = async (
  page: Page,
  folder: string,
  name: string,
  draws?: number,
  engine = 'auto'
): Promise<void> => {
  const { clustering, ...rest } = studyConfiguration(draws)
  const configuration = { ...rest, clustering: { ...(clustering as object), stability: false }, engine }
  await fillStudy(page, folder, name, configuration, engine === 'auto')
  await page.getByRole('button', { name: /^Start/ }).click()
  await page.getByRole('heading', { name }).waitFor()
}
