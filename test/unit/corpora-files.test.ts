import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { contentsWords } from '../../preload/corpus-contents'
import { lines, newFolder, read, readAll } from './corpora-fixture'
import { failure } from './models-fixtures'

/** A folder of files, made of their paths and what they hold. */
const folderOf = (files: Readonly<Record<string, string | Buffer>>): string => {
  const folder = newFolder()
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  return folder
}

const record = lines({ text: 'a record' })
const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'4d7a2146'.repeat(8)}\nsize 12345\n`

describe('links in folders', () => {
  it('are followed, as in the cache of the hub, which is read by its snapshots', async () => {
    const folder = folderOf({
      'hub/blobs/9f': record,
      'hub/refs/main': 'ab12',
      'hub/snapshots/ab12/README.md': 'a card'
    })
    mkdirSync(join(folder, 'hub/snapshots/ab12/data'))
    symlinkSync('../../../blobs/9f', join(folder, 'hub/snapshots/ab12/data/train.jsonl'))
    expect(await read(folder, ['hub/snapshots/ab12'])).toEqual([
      { text: 'a record', subset: 'data', file: 'hub/snapshots/ab12/data/train.jsonl', record: 0 }
    ])
    const whole = await readAll(folder, ['hub'])
    expect(whole.texts).toEqual(['a record'])
    expect(whole.read).toEqual([{ kind: 'jsonl', extension: '.jsonl', files: 1, documents: 1 }])
    expect(whole.leftOut.map(({ names }) => names)).toEqual([
      ['hub/blobs', 'hub/refs'],
      ['hub/snapshots/ab12/README.md']
    ])
  })

  it('lead to each file and folder once, and not round in a circle', async () => {
    const folder = folderOf({ 'c/a.txt': 'one', 'c/in/b.txt': 'two', 'other/d.txt': 'three' })
    symlinkSync('.', join(folder, 'c/loop'))
    symlinkSync('self', join(folder, 'c/self'))
    symlinkSync('../other', join(folder, 'c/link'))
    symlinkSync('a.txt', join(folder, 'c/z.txt'))
    symlinkSync('../c', join(folder, 'other/back'))
    const { texts, leftOut } = await readAll(folder, ['c', 'other'])
    expect(texts).toEqual(['one', 'two', 'three'])
    expect(leftOut).toEqual([
      { why: 'already read under another name', count: 4, names: ['c/link/back', 'c/loop', 'c/z.txt', 'other'] },
      { why: 'links that form a loop', count: 1, names: ['c/self'] }
    ])
  })

  it('that lead to nothing are refused, as a part of the data is missing', async () => {
    const folder = folderOf({ 'c/a.txt': 'one' })
    symlinkSync('gone', join(folder, 'c/b.txt'))
    expect((await failure(read(folder, ['c']))).message).toMatch(
      /c\/b\.txt: a link to a file that is not there; fetch that file/
    )
  })
})

describe('what a folder gave', () => {
  it('is counted by kind, with all that was left out, and why', async () => {
    const latin = Buffer.from('caf\u00e9', 'latin1')
    const folder = folderOf({
      'c/a.jsonl': lines({ text: 'one' }, { text: ' ' }, { text: 'two' }),
      'c/b.jsonl': record,
      'c/c.log': 'a log',
      'c/d.txt': latin,
      'c/e.png': Buffer.from([1, 0, 2]),
      'c/README.md': '# c',
      'c/LICENSE': 'MIT',
      'c/dataset_info.json': '{}',
      'c/.gitattributes': 'x',
      'c/sub/state.json': '{}'
    })
    const contents = await readAll(folder, ['c'])
    expect(contents).toMatchObject({
      texts: ['one', 'two', 'a record', 'a log'],
      read: [
        { kind: 'jsonl', extension: '.jsonl', files: 2, documents: 3 },
        { kind: 'text', extension: '.log', files: 1, documents: 1 }
      ],
      blank: 1,
      leftOut: [
        { why: 'hidden', count: 1, names: ['c/.gitattributes'] },
        { count: 4, names: ['c/LICENSE', 'c/README.md', 'c/dataset_info.json', 'c/sub/state.json'] },
        { why: 'no text in UTF-8', count: 2, names: ['c/d.txt', 'c/e.png'] }
      ]
    })
    expect(contentsWords(contents)).toBe(
      'The corpus: 2 .jsonl files with 3 documents, 1 .log file as plain text; ' +
        '1 document of only whitespace not counted; ' +
        'left out: c/.gitattributes (hidden); c/LICENSE, c/README.md, c/dataset_info.json and 1 more ' +
        '(cards and metadata, not data; name such a file itself to have it read); c/d.txt, c/e.png (no text in ' +
        'UTF-8).'
    )
  })

  it('keeps no more names than it needs', async () => {
    const folder = folderOf(
      Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`c/f.x${i}`, i % 2 === 0 ? 'text' : Buffer.from([0])]))
    )
    const { read: kinds, leftOut, texts } = await readAll(folder, ['c'])
    expect(texts).toHaveLength(150)
    expect(kinds.length).toBeLessThan(60)
    expect(kinds.reduce((sum, { files }) => sum + files, 0)).toBe(150)
    expect(leftOut).toMatchObject([{ count: 150 }])
    expect(leftOut[0].names).toHaveLength(20)
  })

  it('has a card where it is named itself', async () => {
    const folder = folderOf({ 'README.md': 'a card', 'a.jsonl': record })
    expect((await readAll(folder, ['README.md', 'a.jsonl'])).texts).toEqual(['a card', 'a record'])
  })
})

describe('a file that holds texts and is not read', () => {
  it.each([
    ['data-00000-of-00001.arrow', /an Arrow file, which is not read; save the dataset as Parquet, in Python with/],
    ['a.zip', /a packed file, which is not read; unpack it, or take it out of "corpus\.files"/],
    ['a.jsonl.bz2', /a packed file, which is not read; unpack it/],
    ['a.tar.gz', /a packed file, which is not read; unpack it/],
    ['a.parquet.gz', /a packed file, which is not read; unpack it/],
    ['a.xlsx', /a file of a kind that is not read; export it as jsonl, CSV or Parquet/]
  ])('is refused by name, in a folder too: %s', async (name, words) => {
    const folder = folderOf({ [`c/${name}`]: Buffer.from([1, 2, 0, 255]), 'c/z.jsonl': record })
    for (const given of [`c/${name}`, 'c']) {
      const { kind, message } = await failure(read(folder, [given]))
      expect([kind, message]).toEqual(['input', expect.stringMatching(words)])
      expect(message).toContain(join(folder, 'c', name))
    }
  })

  it('is refused where a Git LFS pointer lies in its place, whatever its kind', async () => {
    for (const name of ['book.txt', 'a.jsonl', 'a.json', 'a.parquet', 'a.arrow', 'a.csv', 'a.jsonl.gz', 'noend']) {
      const folder = folderOf({ [`c/${name}`]: pointer })
      for (const given of ['c', `c/${name}`]) {
        expect((await failure(read(folder, [given]))).message).toMatch(
          new RegExp(`c/${name}: a Git LFS pointer, not the file itself; run "git lfs pull"`)
        )
      }
    }
  })

  it.skipIf(process.platform !== 'linux')('is refused where its name is no UTF-8, or it is no file', async () => {
    const folder = folderOf({ 'c/a.jsonl': record, 'pipes/a.txt': 'one' })
    execFileSync('mkfifo', [join(folder, 'pipes', 'b')])
    expect((await readAll(folder, ['pipes'])).leftOut).toEqual([
      { why: 'neither files nor folders', count: 1, names: ['pipes/b'] }
    ])
    expect((await failure(read(folder, ['pipes/b']))).message).toMatch(/pipes\/b: neither a file nor a folder/)
    writeFileSync(
      Buffer.concat([Buffer.from(join(folder, 'c', 'caf')), Buffer.from([0xe9]), Buffer.from('.jsonl')]),
      record
    )
    expect((await failure(read(folder, ['c']))).message).toMatch(
      /c holds "caf\\xE9\.jsonl", a name that is not UTF-8; rename it/
    )
  })
})
