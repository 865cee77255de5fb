import { mount } from 'svelte'
import { z } from 'zod'
import App from './app/App.svelte'
import Door from './app/Door.svelte'
import { connectBridge } from './bridge'
import { clientOf } from './client'
import { enter, followLinks } from './entry'
import './theme.css'

// The content security policy forbids what zod would otherwise try for speed.
z.config({ jitless: true })

const target = document.getElementById('app')!

const inBrowser = async (): Promise<void> => {
  followLinks()
  const entry = await enter()
  if ('secret' in entry) mount(App, { target, props: { client: clientOf(connectBridge(entry.secret)) } })
  else mount(Door, { target, props: entry })
}

if (window.spectroscope === undefined) void inBrowser()
else mount(App, { target, props: { client: clientOf(window.spectroscope) } })
