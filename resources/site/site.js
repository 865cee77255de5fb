;(() => {
  const root = document.documentElement
  const mostContexts = 60
  const mostOfCluster = 3

  // ── Theme ──
  const isDark = () =>
    (root.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark'
  const switchTheme = () => {
    root.dataset.theme = isDark() ? 'light' : 'dark'
    try {
      localStorage.setItem('spectroscope-theme', root.dataset.theme)
    } catch {
      // Without storage the choice lasts for this page.
    }
  }
  document.getElementById('theme').addEventListener('click', switchTheme)

  const search = document.getElementById('search')
  const table = document.getElementById('clusters')

  // ── Keys ──
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.target === search) {
      if (event.key === 'Escape') search.blur()
      return
    }
    const follow = (rel) => document.querySelector(`a[rel=${rel}]`)?.click()
    const move = (step) => {
      const links = [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.querySelector('a'))
      const at = links.indexOf(document.activeElement)
      links[Math.max(0, Math.min(links.length - 1, at + step))]?.focus()
    }
    if (event.key === '/') {
      event.preventDefault()
      if (search === null) location.href = `${document.body.dataset.root}index.html#/`
      else search.focus()
    } else if (event.key === 't') switchTheme()
    else if (event.key === 'ArrowLeft') follow('prev')
    else if (event.key === 'ArrowRight') follow('next')
    else if (event.key === 'u' || event.key === 'Escape') follow('up')
    else if (table !== null && event.key === 'j') move(1)
    else if (table !== null && event.key === 'k') move(-1)
  })
  if (table === null) return

  // ── Sorting ──
  const body = table.tBodies[0]
  const rows = [...body.rows]
  const headings = [...table.tHead.rows[0].cells]
  const keyOf = (row, column) => {
    const { key } = row.cells[column].dataset
    return key !== '' && Number.isFinite(Number(key)) ? Number(key) : key
  }
  const isNumber = (key) => typeof key === 'number'
  const compare = (a, b) => (isNumber(a) && isNumber(b) ? a - b : String(a).localeCompare(String(b)))
  headings.forEach((heading, column) => {
    heading.querySelector('button').addEventListener('click', () => {
      // Numbers and rules begin with the largest, texts with the first.
      const first = isNumber(keyOf(rows[0], column)) ? 'descending' : 'ascending'
      const other = first === 'descending' ? 'ascending' : 'descending'
      const order = heading.ariaSort === first ? other : first
      for (const each of headings) each.ariaSort = 'none'
      heading.ariaSort = order
      const sign = order === 'descending' ? -1 : 1
      body.append(...rows.toSorted((a, b) => sign * compare(keyOf(a, column), keyOf(b, column))))
    })
  })

  // ── Search ──
  const found = document.getElementById('found')
  const section = document.getElementById('contexts')
  const list = section.querySelector('ul')
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]))
  const links = new Map(rows.map((row) => [row.dataset.cluster, row.querySelector('a')]))
  let level = 'all'

  /** Contexts by cluster: read on the first search, in a script, since files cannot be fetched. */
  let reading = null
  const readContexts = () => {
    reading ??= new Promise((done) => {
      const script = document.createElement('script')
      script.src = 'assets/contexts.js'
      script.onload = script.onerror = () => done(globalThis.contextsOfClusters ?? {})
      document.head.append(script)
    })
    return reading
  }

  const element = (name, className, ...parts) => {
    const made = document.createElement(name)
    made.className = className
    made.append(...parts)
    return made
  }
  const show = (cluster, [before, token, after]) => {
    const link = links.get(cluster)
    const place = element('a', 'place', link.textContent)
    place.href = link.href
    return element('li', '', place, element('span', 'context', before, element('mark', '', token), after))
  }

  let latest = 0
  const look = async () => {
    const number = ++latest
    const words = search.value.toLowerCase()
    const contexts = words === '' ? {} : await readContexts()
    if (number !== latest) return
    const hits = []
    let count = 0
    for (const row of rows) {
      const { cluster, kind } = row.dataset
      const inContext = (contexts[cluster] ?? []).filter((parts) => parts.join('').toLowerCase().includes(words))
      const fits = words === '' || texts.get(row).includes(words) || inContext.length > 0
      row.hidden = !fits || (level !== 'all' && kind !== level)
      if (row.hidden) continue
      count++
      if (kind === 'cluster') hits.push(...inContext.slice(0, mostOfCluster).map((parts) => show(cluster, parts)))
    }
    found.textContent = count === rows.length ? '' : `${count} of ${rows.length}`
    section.hidden = words === '' || hits.length === 0
    list.replaceChildren(...hits.slice(0, mostContexts))
    for (const link of document.querySelectorAll('.map a')) {
      const cluster = /(\d+)\.html$/.exec(link.getAttribute('href'))?.[1]
      link.classList.toggle('off', words !== '' && rows.find((row) => row.dataset.cluster === cluster)?.hidden === true)
    }
    try {
      history.replaceState(null, '', words === '' ? location.pathname : `#/${encodeURIComponent(search.value)}`)
    } catch {
      // The address of an opened file may not be changed.
    }
  }
  search.addEventListener('input', look)
  for (const button of document.querySelectorAll('[data-level]')) {
    button.ariaPressed = String(button.dataset.level === level)
    button.addEventListener('click', () => {
      level = button.dataset.level
      for (const other of document.querySelectorAll('[data-level]')) other.ariaPressed = String(other === button)
      void look()
    })
  }
  const asked = /^#\/(.*)$/.exec(location.hash)
  if (asked !== null) {
    search.focus()
    try {
      search.value = decodeURIComponent(asked[1])
    } catch {
      search.value = ''
    }
    void look()
  }
})()
