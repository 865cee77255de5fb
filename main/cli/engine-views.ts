import type { EngineRate } from '../../preload/contract-progress'
import { type Visible, lines as join } from '../base/printed'
import { type Page, paragraph } from './page'
import { renderTable } from './table'
import { grouped, figure } from './text'

export const enginesText = (engines: readonly EngineRate[], page: Page): Visible =>
  join(
    renderTable(
      [
        { title: 'engine' },
        { title: 'precision' },
        { title: 'version' },
        { title: 'tokens/s', align: 'right' },
        { title: 'GFLOP/s', align: 'right' },
        { title: 'device', flexible: true }
      ],
      engines.map(({ name, precision, version, tokensPerSecond, gigaflopsPerSecond, device, available }) => [
        name,
        precision,
        version,
        available ? grouped(tokensPerSecond ?? 0) : '–',
        available ? figure(gigaflopsPerSecond) : '–',
        device
      ]),
      page.width,
      page.bold
    ),
    engines.flatMap(({ name, remedy }) => (remedy === null ? [] : paragraph(`${name}: ${remedy}`, page, '  '))),
    '',
    paragraph(
      "Rates are one thread's, measured now on gradient steps of a small transformer (width 128, vocabulary " +
        '4,096); a run uses all threads.',
      page
    )
  )
