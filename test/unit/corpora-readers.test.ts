import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lines, newFolder, read, writeParquet } from './corpora-fixture'
import { failure } from './models-fixtures'

describe('jsonl', () => {
  it('gives text, subset, file and record; blank lines and empty documents count as records only', async () => {
    const folder = newFolder()
    mkdirSync(join(folder, 'in'))
    writeFileSync(
      join(folder, 'in', 'a.jsonl'),
      lines(
        { text: 'one', meta: { subset: 'x' } },
        '',
        { text: ' \n' },
        { text: 'two' },
        { text: 'three', meta: { subset: 7 } },
        { text: 'four', 'meta.subset': 'whole' }
      ).trimEnd()
    )
    expect(await read(folder, ['in/a.jsonl'])).toEqual([
      { text: 'one', subset: 'x', file: 'in/a.jsonl', record: 0 },
      { text: 'two', subset: 'a', file: 'in/a.jsonl', record: 3 },
      { text: 'three', subset: '7', file: 'in/a.jsonl', record: 4 },
      { text: 'four', subset: 'whole', file: 'in/a.jsonl', record: 5 }
    ])
  })

  it('keeps line separators inside strings, carriage returns at ends, and characters across blocks', async () => {
    const folder = newFolder()
    const long = '日本🙂'.repeat(200_000)
    writeFileSync(join(folder, 'a.jsonl'), `\ufeff{"text":"a\u2028b\u0085c"}\r\n{"text":"${long}"}\r\n`)
    expect((await read(folder, ['a.jsonl'])).map(({ text }) => text)).toEqual(['a\u2028b\u0085c', long])
  })

  it('reads other fields, nested ones too', async () => {
    const folder = newFolder()
    writeFileSync(join(folder, 'a.jsonl'), lines({ body: { raw: 'hello' }, source: 'web' }))
    expect(await read(folder, ['a.jsonl'], { textField: 'body.raw', subsetField: 'source' })).toMatchObject([
      { text: 'hello', subset: 'web' }
    ])
  })

  it('names file and line of a bad record', async () => {
    const folder = newFolder()
    writeFileSync(join(folder, 'bad.jsonl'), lines({ text: 'one' }, '{"text": "cut'))
    writeFileSync(join(folder, 'number.jsonl'), lines({ text: 'one' }, '5'))
    writeFileSync(join(folder, 'field.jsonl'), lines({ text: 'one' }, { content: 'two', id: 1 }))
    writeFileSync(join(folder, 'latin.jsonl'), Buffer.from('{"text": "caf\u00e9"}', 'latin1'))
    expect((await failure(read(folder, ['bad.jsonl']))).message).toMatch(/bad\.jsonl:2: the line is not valid JSON/)
    expect((await failure(read(folder, ['number.jsonl']))).message).toMatch(
      /number\.jsonl:2: the line is not a JSON object/
    )
    expect((await failure(read(folder, ['field.jsonl']))).message).toMatch(
      /field\.jsonl:2: the record has no text at "text" \(its keys: content, id\); correct "corpus\.textField"/
    )
    expect((await failure(read(folder, ['latin.jsonl']))).message).toMatch(/latin\.jsonl:1: .*UTF-8/)
  })
})

describe('Parquet', () => {
  it('is read in order, with fields inside structs and names that look like patterns', async () => {
    const folder = newFolder()
    await writeParquet(
      join(folder, "it's [1]*.parquet"),
      "SELECT 'doc ' || i AS text, {'subset': 's' || (i % 3)} AS meta FROM range(5000) t(i)"
    )
    const progress: number[] = []
    const documents = await read(folder, ["it's [1]*.parquet"], {}, (done, total) => progress.push(done / total))
    expect(documents).toHaveLength(5000)
    expect(
      documents.every(({ text, subset, record }, i) => text === `doc ${i}` && subset === `s${i % 3}` && record === i)
    ).toBe(true)
    expect(progress.at(-1)).toBe(1)
    expect(progress.every((value, i) => i === 0 || value >= progress[i - 1])).toBe(true)
  })

  it("falls back on the file's name for the subset", async () => {
    const folder = newFolder()
    await writeParquet(join(folder, 'plain.parquet'), "SELECT 'a' AS text")
    await writeParquet(join(folder, 'null.parquet'), "SELECT 'b' AS text, {'subset': NULL::VARCHAR} AS meta")
    await writeParquet(join(folder, 'other.parquet'), "SELECT {'x.y': 'c'} AS body, {'name': 'n'} AS meta")
    expect((await read(folder, ['plain.parquet', 'null.parquet'])).map(({ subset }) => subset)).toEqual([
      'plain',
      'null'
    ])
    expect((await failure(read(folder, ['other.parquet'], { textField: 'body.text' }))).message).toMatch(
      /no column "body\.text" \(there are: body, meta\)/
    )
  })

  it('names the file and row that are bad', async () => {
    const folder = newFolder()
    await writeParquet(
      join(folder, 'null.parquet'),
      "SELECT CASE WHEN i = 2 THEN NULL ELSE 'x' END AS text FROM range(4) t(i)"
    )
    writeFileSync(join(folder, 'false.parquet'), 'PAR1 not really')
    expect((await failure(read(folder, ['null.parquet']))).message).toMatch(
      /null\.parquet: row 3 has no text in "text"/
    )
    expect((await failure(read(folder, ['false.parquet']))).message).toMatch(/false\.parquet: the file cannot be read/)
  })
})

describe('text files and folders', () => {
  it("are read recursively and sorted; subsets are the first folder or the file's name", async () => {
    const folder = newFolder()
    for (const path of ['c/b/deep', 'c/a', 'c/.git']) mkdirSync(join(folder, path), { recursive: true })
    writeFileSync(join(folder, 'c', 'z.md'), 'zed')
    writeFileSync(join(folder, 'c', 'b', 'deep', 'y.txt'), 'why')
    writeFileSync(join(folder, 'c', 'a', 'x.txt'), 'ex')
    writeFileSync(join(folder, 'c', 'a', 'blank.txt'), '  \n')
    writeFileSync(join(folder, 'c', 'a', 'image.png'), Buffer.from([0x89, 0x50, 0, 1]))
    writeFileSync(join(folder, 'c', 'a', 'r.jsonl'), lines({ text: 'rec' }, { text: 'own', meta: { subset: 'mine' } }))
    writeFileSync(join(folder, 'c', '.git', 'secret.txt'), 'hidden')
    symlinkSync(join(folder, 'c'), join(folder, 'c', 'loop'))
    expect(await read(folder, ['c', 'c/z.md'])).toEqual([
      { text: 'rec', subset: 'a', file: 'c/a/r.jsonl', record: 0 },
      { text: 'own', subset: 'mine', file: 'c/a/r.jsonl', record: 1 },
      { text: 'ex', subset: 'a', file: 'c/a/x.txt', record: 0 },
      { text: 'why', subset: 'b', file: 'c/b/deep/y.txt', record: 0 },
      { text: 'zed', subset: 'z', file: 'c/z.md', record: 0 }
    ])
  })

  it('that are missing or no text are named', async () => {
    const folder = newFolder()
    writeFileSync(join(folder, 'image.png'), Buffer.from([0x89, 0x50, 0, 1]))
    expect((await failure(read(folder, ['image.png']))).message).toMatch(/image\.png: the file is not text in UTF-8/)
    expect((await failure(read(folder, ['gone.txt']))).message).toMatch(
      /gone\.txt: the corpus file or folder cannot be read \(ENOENT\); correct "corpus\.files"/
    )
  })
})
