import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parseJson } from '../../main/base/json-text'
import { readCorpus } from '../../main/corpora/readers'
import { CorpusTally } from '../../main/corpora/tally'
import { leftOutWords } from '../../preload/corpus-contents'
import { describeWithShared, sharedPath } from '../shared'

let folder = ''

const documentsOf = async (
  inputs: string,
  study: string
): Promise<{ readonly documents: readonly string[]; readonly leftOut: string; readonly texts: readonly string[] }> => {
  const base = join(folder, inputs)
  const { corpus } = parseJson(readFileSync(join(base, study))) as {
    readonly corpus: { readonly files: readonly string[] }
  }
  const tally = new CorpusTally()
  const [documents, texts]: [string[], string[]] = [[], []]
  for await (const { file, subset, text } of readCorpus(
    { files: [...corpus.files], textField: 'text', subsetField: 'meta.subset' },
    base,
    undefined,
    tally
  )) {
    documents.push(`${file} ${subset}`)
    texts.push(text)
  }
  return { documents, texts, leftOut: leftOutWords(tally.contents) }
}

describeWithShared('corpora as people have them', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'spectroscope-'))
    cpSync(sharedPath('cases'), folder, { recursive: true })
    // Links and names in Latin-1 are made here, as they cannot be passed on.
    execFileSync('chmod', ['-R', 'u+w', folder])
    for (const inputs of ['1-hub-symlinks', '6-latin1-file-name'])
      execFileSync('bash', [join(folder, inputs, 'make.sh')])
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each([
    ['1-hub-symlinks', 'study.json', 2, /^hub\/snapshots\/ab12\/data\/train\.jsonl data$/, /\.keep \(hidden\)/],
    [
      '1-hub-symlinks',
      'study-card.json',
      2,
      /^with-card\/snapshots\/ab12\/train\.jsonl train$/,
      /README\.md \(cards and metadata, not data/
    ],
    ['3-json-as-text', 'study.json', 2, /train\.json/, /^$/],
    ['3-json-as-text', 'study-array.json', 2, /train\.json/, /^$/],
    ['3-json-as-text', 'study-csv.json', 2, /train\.csv/, /^$/],
    ['4-compressed', 'study.json', 2, /a\.jsonl\.gz a$/, /^$/],
    ['4-compressed', 'study-mixed.json', 3, /mixed\/[ab]\.jsonl(\.gz)? [ab]$/, /^$/],
    ['5-latin1-file-in-folder', 'study.json', 1, /a\.txt/, /^left out: c\/b\.txt \(no text in UTF-8\)$/],
    ['8-big-integer-subset', 'study.json', 4, /a\.jsonl 123456789012345678[89]$/, /^$/],
    ['11-parquet-binary-text', 'study.json', 40, /part-0\.parquet/, /^$/]
  ])('%s, %s: %i documents', async (inputs, study, count, each, others) => {
    const { documents, leftOut, texts } = await documentsOf(inputs, study)
    expect(documents).toHaveLength(count)
    for (const document of documents) expect(document).toMatch(each)
    for (const text of texts) expect(text).not.toMatch(/"text"|\\n/)
    expect(leftOut).toMatch(others)
  })

  it.each([
    ['2-save-to-disk', /data-00000-of-00001\.arrow: an Arrow file, which is not read; save the dataset as Parquet/],
    ['6-latin1-file-name', /c holds "caf\\xE9\.jsonl", a name that is not UTF-8; rename it/],
    ['7-lfs-pointers', /book1\.txt: a Git LFS pointer, not the file itself; run "git lfs pull"/],
    [
      '12-parquet-bad-utf8',
      /part-0\.parquet: the column "text" holds a text that is not valid UTF-8; write the column again/
    ]
  ])('%s is refused in a sentence', async (inputs, words) => {
    const message = await documentsOf(inputs, 'study.json').then(
      () => 'was read',
      (error: unknown) => (error as Error).message
    )
    expect(message).toMatch(words)
    expect(message.length).toBeLessThan(400)
  })
})
