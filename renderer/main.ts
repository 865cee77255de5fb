import { mount } from 'svelte'
import { z } from 'zod'
import App from './app/App.svelte'
import { connectBridge } from './bridge'
import { Client } from './client'
import './theme.css'

// The content security policy forbids what zod would otherwise try for speed.
z.config({ jitless: true })

const bridge = window.spectroscope ?? connectBridge()
mount(App, { target: document.getElementById('app')!, props: { client: new Client(bridge) } })
