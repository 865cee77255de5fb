import { html } from './html'

/** Style of the report: light or dark as the reader's system prefers, and for print. */
export const reportStyle = html`
:root {
  color-scheme: light dark; --ink: #1c1e21; --soft: #5c636b; --paper: #ffffff; --panel: #f5f6f8; --line: #d9dce1;
  --mark: #ffe08a; --mark-ink: #3b2c00; --down: #2f6fb3; --up: #b5542c; --link: #1f5fa8
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e3e5e8; --soft: #a0a7b0; --paper: #17191c; --panel: #1f2226; --line: #363b42; --mark: #6b5200;
    --mark-ink: #fff1c2; --down: #6fa8e0; --up: #e08a62; --link: #8dbcf0
  }
}
* { box-sizing: border-box }
body {
  margin: 0 auto; max-width: 76rem; padding: 1.5rem; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, sans-serif
}
a { color: var(--link) }
h1 { font-size: 1.6rem; margin: 0 0 .25rem }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem }
h3 { font-size: .85rem; margin: 1rem 0 .25rem; color: var(--soft); font-weight: 600 }
.soft, figcaption, caption { color: var(--soft) }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
th { color: var(--soft); font-weight: 600; font-size: .85rem } th.number { text-align: right }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0 }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
code, .context, .token {
  font-family: ui-monospace, 'SFMono-Regular', Consolas, 'DejaVu Sans Mono', monospace; font-size: .84rem
}
section { border-top: 2px solid var(--line); margin-top: 2rem }
.label {
  display: inline-block; padding: 0 .5rem; border: 1px solid var(--line); border-radius: 1rem; font-size: .8rem;
  color: var(--soft); margin-right: .3rem
}
.depth1 { margin-left: 1.2rem } .depth2 { margin-left: 2.4rem }
.note { white-space: pre-wrap; border-left: 3px solid var(--line); padding-left: .75rem; margin: .5rem 0 }
.tokens > span { display: inline-block; margin: 0 .8rem .1rem 0 }
.token {
  background: var(--panel); border: 1px solid var(--line); border-radius: .2rem; padding: 0 .25rem;
  white-space: pre-wrap; overflow-wrap: anywhere
}
.gallery { list-style: none; margin: .25rem 0; padding: 0 }
.gallery li { padding: .25rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; break-inside: avoid }
.context { white-space: pre-wrap; unicode-bidi: isolate }
.context i { font-style: normal; color: var(--soft); opacity: .7 }
.context mark { background: var(--mark); color: var(--mark-ink); border-radius: .15rem; padding: 0 .1rem }
.context mark i { color: inherit; opacity: 1 }
.place { float: right; margin-left: 1rem; color: var(--soft); font-size: .78rem }
svg { display: block; max-width: 100%; height: auto }
svg text { fill: var(--soft); font: 10px system-ui, sans-serif }
.down { fill: var(--down) }
.up { fill: var(--up) }
svg .noisy { opacity: .6; font-style: italic }
svg tspan { fill: var(--soft); opacity: .8 }
.axis { stroke: var(--line) }
.spread { stroke: var(--soft) }
.map { width: 100%; border: 1px solid var(--line); border-radius: .5rem; background: var(--panel) }
.map path { fill: none; stroke: currentColor; stroke-linecap: round; stroke-opacity: .6 }
.map a:is(:hover, :focus-visible) path { stroke-opacity: 1 }
.map .rest { color: var(--soft); stroke-opacity: .18 }
.map text {
  fill: var(--ink); stroke: var(--panel); stroke-width: 3px; paint-order: stroke; font-size: 12px; text-anchor: middle;
  pointer-events: none
}
.map .given { font-weight: 650 }
.k0 { color: var(--down) } .k1 { color: var(--up) } .k2 { color: #3d9a62 } .k3 { color: #b8468d } .k4 { color: #8467cc }
.k5 { color: #a88a14 } .k6 { color: #1c9496 } .k7 { color: #cf5044 } .k8 { color: #7a8a2a } .k9 { color: #79808b }
figure { margin: 1rem 0 } figure img { max-width: 100%; border: 1px solid var(--line); background: #fff }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; color: #000; background: #fff }
  section { break-before: auto }
  h2, h3 { break-after: avoid }
  a { color: inherit; text-decoration: none }
  .context mark { background: none; outline: 1px solid #000; font-weight: bold; color: #000 }
  nav table { font-size: 9pt }
}
`
