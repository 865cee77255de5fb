import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { readsZstd } from '../../main/corpora/bytes'
import { lines, newFolder, read, readAll, writeParquet } from './corpora-fixture'
import { failure } from './models-fixtures'

const mark = '\ufeff'

/** The path of a new file in a folder of its own. */
const fileOf = (name: string, content: string | Buffer): readonly [folder: string, files: string[]] => {
  const folder = newFolder()
  writeFileSync(join(folder, name), content)
  return [folder, [name]]
}
const textsOf = async (name: string, content: string | Buffer): Promise<readonly string[]> =>
  (await readAll(...fileOf(name, content))).texts
const refusalOf = async (name: string, content: string | Buffer): Promise<string> =>
  (await failure(read(...fileOf(name, content)))).message

describe('JSON', () => {
  const records = [{ text: 'one\nline', meta: { subset: 'x' } }, { text: '' }, { text: '"two" \u2028 日本' }]

  it('is read as one list, as lines, or as objects one after another, with or without a byte order mark', async () => {
    const forms = [
      JSON.stringify(records),
      JSON.stringify(records, null, 2),
      lines(...records),
      records.map((record) => JSON.stringify(record, null, 1)).join('')
    ]
    for (const form of forms.flatMap((text) => [text, mark + text])) {
      expect(await read(...fileOf('a.json', form))).toEqual([
        { text: 'one\nline', subset: 'x', file: 'a.json', record: 0 },
        { text: '"two" \u2028 日本', subset: 'a', file: 'a.json', record: 2 }
      ])
    }
    expect(await textsOf('one.json', '{"text": "alone"}')).toEqual(['alone'])
  })

  it('may be larger than what is read at once', async () => {
    const long = randomBytes(1_500_000).toString('hex')
    expect(
      await textsOf(
        'a.json',
        JSON.stringify([{ text: long }, { text: 'x'.repeat(3_000_000), more: [long] }, { text: 'end' }], null, 1)
      )
    ).toEqual([long, 'x'.repeat(3_000_000), 'end'])
  })

  it('that cannot be read is named with the place', async () => {
    expect(await refusalOf('a.json', '[{"text": "a"}, {"content": "b"}]')).toMatch(
      /a\.json: record 2 has no text at "text" \(its keys: content\)/
    )
    expect(await refusalOf('a.json', '[["text"]]')).toMatch(/record 1 has no text at "text" \(it is a list\)/)
    expect(await refusalOf('a.json', '[{"text": "a"}, 5]')).toMatch(/a\.json: record 2 is not a JSON object/)
    expect(await refusalOf('a.json', '[{"text": "a"}, {"text": "b')).toMatch(/a\.json: at \[1\], the file is truncated/)
    expect(await refusalOf('a.json', '[{"text": "a"}] more')).toMatch(/a\.json: it is damaged near byte 16/)
    expect(await refusalOf('a.json', Buffer.from('[{"text": "caf\u00e9"}]', 'latin1'))).toMatch(
      /a\.json: at \[0\], it is damaged near byte 1;/
    )
    const message = await refusalOf('a.json', JSON.stringify([{ ['k'.repeat(5000)]: 1 }]))
    expect(message.length).toBeLessThan(400)
  })
})

describe('CSV', () => {
  it('is read by the names in its first line, with quotes, line ends within them, and a byte order mark', async () => {
    const table = `${mark}id,text,meta.subset\r\n1,"one, ""two""\nthree",x\r\n2,,y\r\n\r\n3,last,\r\n`
    expect(await read(...fileOf('a.csv', table))).toEqual([
      { text: 'one, "two"\nthree', subset: 'x', file: 'a.csv', record: 0 },
      { text: 'last', subset: 'a', file: 'a.csv', record: 2 }
    ])
    expect(await textsOf('a.tsv', 'text\tid\na, b\t1\n"c\td"\t2\n')).toEqual(['a, b', 'c\td'])
  })

  it('that cannot be read is named with the line', async () => {
    expect(await refusalOf('a.csv', 'id;text\n1;x\n')).toMatch(
      /a\.csv: no column "text" \(there are: id;text\); correct "corpus\.textField", or the first line/
    )
    expect(await refusalOf('a.csv', 'text,text\n1,x\n')).toMatch(/two columns are named "text"/)
    expect(await refusalOf('a.csv', 'id,text\n1,x\n2,y,z\n')).toMatch(/a\.csv: the table is damaged \(.*line 3\)/)
    expect(await refusalOf('a.csv', `id,text\n1,"${'x'.repeat(9999)}\n`)).toMatch(
      /a\.csv: the table is damaged \(.{1,80}\); correct the file/
    )
    expect(await refusalOf('a.csv', Buffer.from('text\ncaf\u00e9\n', 'latin1'))).toMatch(
      /a\.csv: the file is not text in UTF-8/
    )
  })
})

describe('packed files', () => {
  it('are read as what they hold', async () => {
    for (const [name, content] of [
      ['a.jsonl.gz', lines({ text: 'one' }, { text: 'two' })],
      ['a.json.gz', '[{"text":"one"},{"text":"two"}]'],
      ['a.csv.gz', 'text\none\ntwo\n'],
      ['a.gz', 'plain']
    ] as const) {
      const [folder, files] = fileOf(name, zlib.gzipSync(content))
      const progress: number[] = []
      const documents = await read(folder, files, {}, (done, total) => progress.push(done / total))
      expect(documents.map(({ text, subset }) => `${subset}: ${text}`)).toEqual(
        name === 'a.gz' ? ['a: plain'] : ['a: one', 'a: two']
      )
      expect(progress.at(-1)).toBe(1)
    }
    const both = Buffer.concat([zlib.gzipSync(lines({ text: 'one' })), zlib.gzipSync(lines({ text: 'two' }))])
    expect(await textsOf('a.jsonl.gz', both)).toEqual(['one', 'two'])
  })

  it('that are cut off, damaged or no such files are refused', async () => {
    const whole = zlib.gzipSync(lines({ text: randomBytes(5000).toString('hex') }))
    const [damaged, other] = [/a\.jsonl\.gz: the file is damaged or truncated \(Z_/, lines({ text: 'not packed' })]
    for (const content of [
      whole.subarray(0, 3000),
      Buffer.concat([whole.subarray(0, 500), Buffer.alloc(500), whole.subarray(1000)]),
      other
    ])
      expect(await refusalOf('a.jsonl.gz', content)).toMatch(damaged)
  })

  it('by zstd are read where Node does, and refused by name elsewhere', async () => {
    // The frame of zstd that holds {"text":"a"} as it is.
    const frame = Buffer.concat([
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 12, 12 * 8 + 1, 0, 0]),
      Buffer.from('{"text":"a"}')
    ])
    if (readsZstd) expect(await textsOf('a.jsonl.zst', frame)).toEqual(['a'])
    else
      expect(await refusalOf('a.jsonl.zst', frame)).toMatch(
        /a\.jsonl\.zst: compressed by zstd, which Node .* does not read \(22\.15 does\); unpack it \(zstd -d\)/
      )
  })
})

describe('subsets', () => {
  it('keep all digits of integers, in JSON and in texts of JSON', async () => {
    const [folder, files] = fileOf(
      'a.jsonl',
      lines(
        '{"text": "a", "meta": {"subset": 1234567890123456788}}',
        '{"text": "b \\" 1234567890123456788", "meta": {"subset": 1234567890123456789}}',
        '{"text": "c", "meta": {"subset": -98765432109876543210, "weight": 0.12345678901234567890}}',
        '{"text": "d", "meta": "{\\"subset\\": 1234567890123456789}"}',
        '{"text": "e", "meta": {"subset": 1e20}}',
        '{"text": "f", "meta": {"subset": 7}}',
        '{"text": "g", "meta": "no JSON"}'
      )
    )
    const expected = [
      '1234567890123456788',
      '1234567890123456789',
      '-98765432109876543210',
      '1234567890123456789',
      '100000000000000000000',
      '7',
      'a'
    ]
    expect((await read(folder, files)).map(({ subset }) => subset)).toEqual(expected)
  })

  it('of Parquet are found in structs, maps and texts of JSON', async () => {
    const folder = newFolder()
    for (const [name, meta] of [
      ['struct', "{'subset': 1234567890123456789}"],
      ['map', "MAP {'subset': '1234567890123456789', 'other': 'x'}"],
      ['integers', "MAP {'subset': 1234567890123456789}"],
      ['json', '\'{"subset": 1234567890123456789}\''],
      ['bytes', '\'{"subset": 1234567890123456789}\'::BLOB'],
      ['column', "{'other': 1}"],
      ['list', '[1]']
    ])
      await writeParquet(join(folder, `${name}.parquet`), `SELECT 'a' AS text, ${meta} AS meta`)
    expect((await read(folder, ['.'])).map(({ file, subset }) => `${file} ${subset}`)).toEqual([
      'bytes.parquet 1234567890123456789',
      'column.parquet column',
      'integers.parquet 1234567890123456789',
      'json.parquet 1234567890123456789',
      'list.parquet list',
      'map.parquet 1234567890123456789',
      'struct.parquet 1234567890123456789'
    ])
  })
})

describe('texts of Parquet', () => {
  it('are read from columns of bytes, where they are UTF-8', async () => {
    const folder = newFolder()
    await writeParquet(join(folder, 'a.parquet'), "SELECT encode('caf\u00e9 ' || i) AS text FROM range(3) t(i)")
    expect((await readAll(folder, ['a.parquet'])).texts).toEqual(['café 0', 'café 1', 'café 2'])
    await writeParquet(
      join(folder, 'bad.parquet'),
      "SELECT CASE WHEN i = 2 THEN 'caf\\xE9'::BLOB ELSE 'x'::BLOB END AS text FROM range(4) t(i)"
    )
    expect((await failure(read(folder, ['bad.parquet']))).message).toMatch(
      /bad\.parquet: row 3: "text" is not valid UTF-8 \(at byte 3\); correct the row/
    )
  })

  it('that are refused as a whole are quoted briefly', async () => {
    const [folder, files] = fileOf('false.parquet', 'PAR1 not really')
    expect((await failure(read(folder, files))).message).toMatch(
      /false\.parquet: the file cannot be read \(.{1,80}\); repair it or take it out/
    )
  })
})
