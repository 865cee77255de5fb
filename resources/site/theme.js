// Loaded before the page is drawn, so that a chosen theme does not flash.
;(() => {
  try {
    const chosen = localStorage.getItem('spectroscope-theme')
    if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen
  } catch {
    // A page opened as a file may have no storage: the system's theme stays.
  }
})()
