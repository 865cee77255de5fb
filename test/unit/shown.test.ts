import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import type { Component } from 'svelte'
import type { render as Render } from 'svelte/server'
import { createServer } from 'vite'
import { expect, it } from 'vitest'
import { visible } from '../../renderer/ui/visible-text'
import { visibleMarkup } from '../../tools/visible-markup.js'

const root = join(import.meta.dirname, '../..')
const hostile = 'a\u202eb\u001b[2J\u200b<img src=x>'

it('is what the build makes of every text and every attribute that is read, without being asked', async () => {
  const server = await createServer({
    configFile: false,
    root,
    logLevel: 'silent',
    server: { middlewareMode: true, hmr: false, ws: false },
    optimizeDeps: { noDiscovery: true },
    plugins: [svelte({ configFile: join(root, 'svelte.config.js') })]
  })
  try {
    const { default: component } = (await server.ssrLoadModule('/test/unit/shown.svelte')) as { default: Component }
    const { render } = (await server.ssrLoadModule('svelte/server')) as { render: typeof Render }
    const { body } = render(component, { props: { title: hostile, list: [hostile, 2] } })
    expect(body).not.toMatch(/[\u202e\u001b\u200b]|<img/)
    const marked = 'a\\u{202e}b␛[2J\\u{200b}&lt;img src=x'
    expect(body.split(marked)).toHaveLength(6)
    expect(body).toContain(`aria-label="About ${marked}`)
    expect(body).toContain('<b title="2" data-one="number">2</b>')
  } finally {
    await server.close()
  }
})

it('has signs with words in a token, for everything that is hidden', () => {
  const stretches = visible('a\u200b\u3164❤\ufe0f\u{e0041}')
  const signs = stretches.flatMap(({ text, sign }) => (sign === undefined ? [] : [[text, sign]]))
  expect(signs).toEqual([
    ['⟂', 'zero-width space'],
    ['\\u{3164}', 'invisible character U+3164'],
    ['\\u{e0041}', 'invisible character U+E0041']
  ])
})

it.each([
  ['markup out of a text', '<p>{@html text}</p>', '{@html}'],
  ['attributes that are not named', '<p {...rest}></p>', '{...rest}: name the attributes one by one']
])('refuses %s', (_, content, sentence) => {
  expect(() => visibleMarkup({ content })).toThrow(sentence)
})

it('takes every component of the window', () => {
  const names = readdirSync(join(root, 'renderer'), { recursive: true, encoding: 'utf8' })
  const components = names.filter((name) => name.endsWith('.svelte'))
  expect(components.length).toBeGreaterThan(50)
  for (const name of components) {
    const filename = join(root, 'renderer', name)
    const content = readFileSync(filename, 'utf8')
    expect(visibleMarkup({ content, filename }).code.split('\n')).toHaveLength(content.split('\n').length)
  }
})
