/** Paths on a grid of 24 × 24, drawn as lines. */
export const icons = {
  spectrum: 'M4 20V9M8 20V4M12 20v-7M16 20V7M20 20v-4',
  runs: 'M4 6h10M4 12h16M4 18h7M18 4v4M16 6h4',
  explore:
    'M6 7a2 2 0 1 0 0-.01M17 6a2 2 0 1 0 0-.01M12 17a2 2 0 1 0 0-.01M7.6 8.2 11 15.4M15.3 7 7.9 7M16.3 8 13 15.3',
  compare: 'M5 4v16M19 4v16M9 8h6M9 12h6M9 16h6',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M13 7a2 2 0 1 0 4 0 2 2 0 1 0-4 0M7 17a2 2 0 1 0 4 0 2 2 0 1 0-4 0',
  palette: 'M5 8l4 4-4 4M12 17h7',
  keys: 'M3 7h18v10H3zM7 10.5h.01M11 10.5h.01M15 10.5h.01M8 14h8',
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 1 0 0-13M15.5 15.5 21 21',
  folder: 'M3 6h6l2 2h10v11H3z',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
  play: 'M7 5v14l12-7z',
  continue: 'M4 6v12l8-6zM13 6v12l8-6z',
  pause: 'M8 5v14M16 5v14',
  stop: 'M6 6h12v12H6z',
  trash: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13',
  archive: 'M3 5h18v4H3zM5 9v10h14V9M10 13h4',
  copy: 'M8 8h12v12H8zM4 16V4h12',
  edit: 'M4 20h4L19 9l-4-4L4 16z',
  plus: 'M12 5v14M5 12h14',
  fit: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
  lasso: 'M5 9c0-3 3.5-5 7.5-5S20 6 20 9s-3.5 5-7.5 5c-2 0-4-.5-5.5-1.5M7 12.5c1.5 2 .5 4-1 4s-2-2 0-3c2.5-1 4 2 2 6.5',
  check: 'M5 12.5l4.5 4.5L19 7',
  warning: 'M12 4 2.5 20h19zM12 10v4M12 17h.01',
  more: 'M6 12h.01M12 12h.01M18 12h.01',
  left: 'M14 6l-6 6 6 6',
  right: 'M10 6l6 6-6 6',
  up: 'M6 14l6-6 6 6',
  down: 'M6 10l6 6 6-6',
  tag: 'M4 4h8l8 8-8 8-8-8zM8 8h.01',
  export: 'M12 15V4M8 8l4-4 4 4M5 14v6h14v-6',
  import: 'M12 4v11M8 11l4 4 4-4M5 14v6h14v-6',
  close: 'M6 6l12 12M18 6 6 18'
} as const

export type IconName = keyof typeof icons
