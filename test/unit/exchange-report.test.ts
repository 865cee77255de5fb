import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { html } from '../../main/exchange/html'
import { contextHtml, figureWords, profileSvg, tokenHtml } from '../../main/exchange/report-parts'
import { exportReport } from '../../main/exchange/report'
import type { ReportOptions } from '../../main/exchange/report'
import { writePicture } from '../../main/exchange/picture'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import {
  clusteringOf,
  components,
  matrixOf,
  newRun,
  smallStudy,
  storeRun,
  temporaryFolder,
  treeDescription,
  treeOf
} from './store-fixture'

let place: Awaited<ReturnType<typeof temporaryFolder>>
let workspace: Workspace
let run: string

const hostile = [
  '<script>alert(1)</script>',
  '"onload="x',
  '</style><img src=x>',
  "'",
  '&amp;',
  '\u202e',
  '\u0000',
  '\n',
  ' <!--',
  ']]>'
]

const out = (name: string): string => join(place.folder, name)

beforeAll(async () => {
  place = await temporaryFolder()
  workspace = await openWorkspace(join(place.folder, 'w'), { create: true })
  const { id } = await workspace.createRun(newRun('<b>run</b>'))
  run = id
  await workspace.transaction(id, async (writer) => {
    const { documents, ...study } = smallStudy()
    await writer.saveStudy(
      { ...study, documents: documents.map((document) => ({ ...document, file: '<i>f</i>' })) },
      (token) => hostile[token]
    )
    await writer.beginSusceptibilities(components, 2.5)
    await writer.appendSusceptibilities(matrixOf(20), matrixOf(20, 0.1))
    await writer.saveClustering({ ...clusteringOf(20), name: '<u>k</u>' })
  })
  await workspace.applyAnnotations({
    run,
    clustering: 1,
    words: 'label',
    author: 'Ada',
    edits: [
      {
        target: 'cluster:1',
        after: {
          name: '<a href=javascript:x>name</a>',
          note: '<iframe>\nline two',
          tags: ['<tag>'],
          confidence: 'high',
          status: 'labelled',
          blindTest: { right: 2, of: 3 },
          author: '<ada>',
          changedAt: '2026-11-20T10:00:00.000Z'
        }
      },
      {
        target: 'merge:1',
        after: {
          name: 'one & two',
          note: '',
          tags: [],
          confidence: null,
          status: 'labelled',
          blindTest: null,
          author: 'Ada',
          changedAt: '2026-11-20T10:00:00.000Z',
          clusters: [0, 1]
        }
      }
    ]
  })
})

afterAll(async () => {
  await workspace.close()
  await place.remove()
})

const report = async (name: string, options: Partial<ReportOptions> = {}): Promise<string> => {
  await exportReport(workspace, run, {
    file: out(name),
    clusters: 'all',
    program: 'spectroscope test',
    overwrite: true,
    ...options
  })
  return readFile(out(name), 'utf8')
}

const voidTags = new Set(['meta', 'img', 'line', 'rect', 'path', 'br', '!doctype'])

/**
 * Names of the tags of a page, after a check that they are nested rightly and that no attribute could run anything.
 */
const tagsOf = (html: string): Set<string> => {
  const open: string[] = []
  const names = new Set<string>()
  for (const [, closing, name, attributes] of html
    .replace(/<style>[^<]*<\/style>/, '<style></style>')
    .matchAll(/<(\/?)([a-z!][a-z0-9]*)((?:\s+[a-zA-Z][\w:-]*(?:="[^"<]*")?)*)\s*\/?>/g)) {
    names.add(name)
    expect(attributes).not.toMatch(/\son|javascript:|srcdoc|https?:/i)
    if (closing === '/') expect(open.pop()).toBe(name)
    else if (!voidTags.has(name)) open.push(name)
  }
  expect(open).toEqual([])
  return names
}

describe('a report', () => {
  test('is one page without scripts, whatever tokens and people say', async () => {
    const html = await report('report.html')
    const tags = tagsOf(html)
    expect(
      [...tags].filter((tag) => ['script', 'iframe', 'object', 'link', 'base', 'form', 'i'].includes(tag))
    ).toEqual(['i'])
    expect(html).toContain("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    expect(html.match(/<(?!\/?[a-z]|!doctype)/g)).toBeNull()
    expect(html).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/)
    expect(html).not.toContain('https://')
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(html).toContain('<title>&lt;b&gt;run&lt;/b&gt;: 2 clusters</title>')
  })

  test('has names, notes, profiles and tokens in their contexts', async () => {
    const html = await report('report.html')
    expect(html).toContain('<a href="#cluster1">one &amp; two</a>')
    const own = '<span class="soft">Cluster 1, “&lt;a href=javascript:x&gt;name&lt;/a&gt;”</span>'
    expect(html).toContain(`<h2>one &amp; two ${own}</h2>`)
    expect(html).toContain('Merged with <a href="#cluster0">cluster 0</a>')
    expect(html).toContain('<dt>Labels</dt><dd>2 of 2 clusters labelled</dd>')
    expect(html).toContain('<p class="note">&lt;iframe&gt;\nline two</p>')
    expect(html).toContain('blind test: 2 of 3')
    const links = '<a href="#cluster0">0</a>, <a href="#cluster1">1</a>'
    expect(html).toContain(`one &amp; two: merge of clusters ${links}`)
    expect(html.match(/<section id="cluster/g)).toHaveLength(3)
    expect(html.match(/<svg /g)).toHaveLength(3)
    expect(html.match(/<mark>/g)).toHaveLength(20)
    expect(html).toContain('<mark><i>⏎</i></mark>')
    expect(html.indexOf('id="cluster0"')).toBeLessThan(html.indexOf('id="cluster-1"'))
  })

  test('has words for a merge and a part without a name', async () => {
    const said = {
      note: '',
      tags: [],
      confidence: null,
      blindTest: null,
      author: 'Ada',
      changedAt: '2026-11-20T10:00:00.000Z'
    }
    const [tokens] = [(await workspace.getClusterMembers(run, 0, { clustering: 1 })).slice(0, 1)]
    await workspace.applyAnnotations({
      run,
      clustering: 1,
      words: 'split',
      author: 'Ada',
      edits: [
        { target: 'merge:1', after: { ...said, name: '', status: 'unseen', clusters: [0, 1] } },
        { target: 'part:1', after: { ...said, name: '', status: 'unseen', cluster: 0, tokens: Array.from(tokens) } }
      ]
    })
    const html = await report('unnamed.html')
    await workspace.undo()
    const links = '<a href="#cluster0">0</a>, <a href="#cluster1">1</a>'
    expect(html).toContain(`<h3>Merge of clusters ${links}</h3>`)
    expect(html).toContain('<h3>Part of cluster <a href="#cluster0">0</a>, 1 token</h3>')
    expect(html).not.toMatch(/(merge|part):\d/)
    expect(html).toContain('<dt>Labels</dt><dd>1 of 2 clusters labelled</dd>')
  })

  test('of some clusters has those', async () => {
    const html = await report('some.html', { clusters: 'labelled' })
    expect(html.match(/<section id="cluster/g)).toHaveLength(2)
    expect(html).toContain('2 of 2 clusters')
    await expect(report('none.html', { clusters: [7] })).rejects.toMatchObject({ kind: 'input' })
  })

  test('takes a picture of the graph, and nothing that is none', async () => {
    const picture = 'data:image/png;base64,iVBORw0KGgo='
    expect(await report('picture.html', { picture })).toContain(`<img src="${picture}"`)
    for (const wrong of [
      'javascript:alert(1)',
      'data:text/html;base64,PGI+',
      'data:image/png;base64,"><script>',
      'https://example.org/a.png'
    ]) {
      await expect(report('wrong.html', { picture: wrong })).rejects.toMatchObject({ kind: 'usage' })
    }
    await expect(readFile(out('wrong.html'))).rejects.toThrow('ENOENT')
  })
})

describe('a report of a tree', () => {
  let grown: string

  beforeAll(async () => {
    grown = await storeRun(workspace, 4, treeOf(20))
    await workspace.saveDescription(grown, 1, treeDescription(20))
    await workspace.applyAnnotations({
      run: grown,
      clustering: 1,
      words: 'label',
      author: 'Ada',
      edits: [
        {
          target: 'cluster:4',
          after: {
            name: 'brackets',
            note: '',
            tags: [],
            confidence: null,
            status: 'labelled',
            blindTest: null,
            author: 'Ada',
            changedAt: '2026-11-20T10:00:00.000Z'
          }
        }
      ]
    })
  })

  const write = async (name: string, options: Partial<ReportOptions> = {}): Promise<string> => {
    await exportReport(workspace, grown, {
      file: out(name),
      clusters: 'all',
      program: 'spectroscope test',
      overwrite: true,
      ...options
    })
    const html = await readFile(out(name), 'utf8')
    tagsOf(html)
    return html
  }
  const sections = (html: string): number[] =>
    [...html.matchAll(/<section id="cluster(-?\d+)"/g)].map(([, number]) => Number(number))
  const sectionOf = (html: string, cluster: number): string =>
    html.slice(html.indexOf(`<section id="cluster${cluster}"`)).split('</section>')[0]
  const rowOf = (html: string, cluster: number): string =>
    html
      .split('<tr>')
      .find((row) => row.includes(`href="#cluster${cluster}"`))
      ?.split('</tr>')[0] ?? ''

  test('goes down the tree, with links up and down', async () => {
    const html = await write('tree.html')
    expect(sections(html)).toEqual([5, 4, 0, 1, 2, 3, -1])
    expect(rowOf(html, 5)).toContain('<td>region</td><td><a href')
    expect(rowOf(html, 4)).toContain('<td>neighbourhood</td><td><a class="depth1" href="#cluster4">brackets</a>')
    expect(rowOf(html, 0)).toContain('<td>cluster</td><td><a class="depth2"')
    expect(sectionOf(html, 1)).toContain('In <a href="#cluster5">Region 5</a> › <a href="#cluster4">brackets</a>')
    const [made, other] = ['<a href="#cluster4">brackets</a> 10', '<a href="#cluster2">Cluster 2</a> 3']
    expect(sectionOf(html, 5)).toContain(
      `<h3>Made of</h3><p class="tokens"><span>${made}</span> <span>${other}</span></p>`
    )
    expect(sectionOf(html, 3)).not.toContain('In <a')
    expect(html.match(/<mark>/g)).toHaveLength(20 + 10 + 13)
    expect(html.match(/<svg /g)).toHaveLength(7 + 1)
    expect(html).toMatch(/<svg class="map"[^>]*>.*?<a href="#cluster0"/s)
  })

  test('says in words what may be noise, how much recurs, and what rule is best', async () => {
    const html = await write('tree.html')
    expect([0, 1, 2, 3, 4, 5, -1].filter((cluster) => sectionOf(html, cluster).includes('may be noise'))).toEqual([
      1, 3
    ])
    expect([0, 1, 2, 3, 4, 5, -1].filter((cluster) => rowOf(html, cluster).includes('may be noise'))).toEqual([1, 3])
    const region = '1 of 1 region is stable, with 65 % ± 5 % of the tokens (13 % by chance)'
    expect(html).toContain(`<dt>Stability</dt><dd>${region}<br>`)
    expect(html).toContain(
      '2 of 4 clusters are stable, with 40 % ± 3 % of the tokens <span class="soft">(3 splits of the draws)</span>'
    )
    expect(html).toContain('(communities, 3 neighbours, union, resolution 8, 3 levels, at least 3 tokens)')
    const rule = 'is before &quot;,&quot; and is from law <span class="soft">recall 50 %, precision 75 %</span>'
    expect(sectionOf(html, 5)).toContain(`${rule}; 5 tokens missed`)
    expect(sectionOf(html, -1)).not.toContain('Best rule')
  })

  test('of a chosen group has what is below it', async () => {
    const html = await write('some-tree.html', { clusters: [4] })
    expect(sections(html)).toEqual([4, 0, 1])
    expect(html).toContain('2 of 4 clusters</title>')
    expect(sectionOf(html, 0)).not.toContain('Region 5')
  })

  test('of clusters without a tree is as it was', async () => {
    const html = await report('flat.html')
    expect(html).not.toContain('<th>level</th>')
    expect(html).not.toContain('may be noise')
    expect(html).not.toContain('<dt>Stability</dt>')
    expect(html).toContain('(ACL, 3 neighbours, union, alpha 0.001, epsilon 1e-7, local rule, at least 20 tokens)')
  })
})

describe('the pieces of a report', () => {
  test('show text as nothing but text', () => {
    expect(html`<b title="${'"<&>\''}">${'<&>"\'\u202e\u001b'}</b>`.markup).toBe(
      '<b title="&quot;&lt;&amp;&gt;&#39;">&lt;&amp;&gt;&quot;&#39;\\u{202e}␛</b>'
    )
    expect(html`${[html`<i>${'<i>'}</i>`, '<', 1]}`.markup).toBe('<i>&lt;i&gt;</i>&lt;1')
    expect(contextHtml('a\tb\r\n<').markup).toBe('a<i>⇥</i>b<i>␍⏎</i>&lt;')
    expect(tokenHtml('  x').markup).toBe('<i>··</i>x')
    expect(tokenHtml('').markup).toBe('∅')
  })

  test.each([
    [0, '0.00'],
    [0.12345, '0.123'],
    [12.345, '12.3'],
    [123456, '123456'],
    [0.00001234, '1.23e-5'],
    [null, '–'],
    [Number.NaN, '–']
  ])('say %s as %s', (value, text) => {
    expect(figureWords(value)).toBe(text)
  })

  test('draw a profile to the left of the axis for expression, to the right for suppression, and say what is no number', () => {
    const of = (...values: number[]): Float64Array => Float64Array.from(values)
    const means = { mean: of(-1, 2, 5, Number.NaN), standardDeviation: of(0.5, 0.5, 1, 1) }
    const columns = { mean: of(0, 0, 0, 0), standardDeviation: of(1, 1, 0, 1) }
    const svg = profileSvg(['a<b', 'up', 'flat', 'none'], means, columns, [0.9, 0.3, Number.NaN, 0.7]).markup
    const bars = [...svg.matchAll(/<rect class="(\w+)" x="([\d.]+)" y="\d+" width="([\d.]+)"/g)].map(
      ([, kind, x, width]) => [kind, Number(x), Number(width)]
    )
    expect(bars).toEqual([
      ['down', 216, 84],
      ['up', 300, 168],
      ['up', 300, 0]
    ])
    expect(svg).toContain('a&lt;b')
    expect(svg).toContain('not a number')
    expect(svg).toContain('r 0.90')
    expect(svg).toContain('up (noise)')
    expect(svg).not.toContain('r NaN')
  })
})

describe('a picture', () => {
  test('is written whole, and only if it is one', async () => {
    const png = Buffer.from('89504e470d0a1a0a00000000', 'hex')
    await writePicture(out('pictures/graph.png'), png, false)
    expect(await readFile(out('pictures/graph.png'))).toEqual(png)
    await expect(writePicture(out('pictures/graph.png'), png, false)).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('exists already')
    })
    const svg = Buffer.from('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>')
    await writePicture(out('pictures/graph.png'), svg, 'graph.png')
    expect(await readFile(out('pictures/graph.png'), 'utf8')).toContain('<svg')
    await expect(writePicture(out('x.png'), Buffer.from('#!/bin/sh'), false)).rejects.toMatchObject({ kind: 'usage' })
    await mkdir(out('a-folder'))
    await expect(writePicture(out('a-folder'), png, true)).rejects.toMatchObject({ kind: 'usage' })
    await writeFile(out('a-file'), '')
    await expect(writePicture(out('a-file/x.png'), png, true)).rejects.toMatchObject({ kind: 'storage' })
  })
})
