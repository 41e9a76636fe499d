/**
 * The only script of the explorer: it asks for the page again every few seconds and puts the new parts in place of the
 * old ones, unless somebody is at work in them. Without it the page is as it was when it was asked for.
 */
export const LIVE_SCRIPT = `(() => {
  const bar = document.querySelector('.live')
  if (!bar) return
  const [words, button] = bar.children
  let paused = false
  let lost = false
  const parts = () => [...document.querySelectorAll('[data-live]')]
  const isUsed = (part) => {
    const selection = getSelection()
    return part.contains(document.activeElement) || part.querySelector('details[open]') ||
      (selection && !selection.isCollapsed && part.contains(selection.anchorNode))
  }
  const say = (text) => { if (words.textContent !== text) words.textContent = text }
  const look = async () => {
    if (paused || document.hidden) return
    try {
      const answer = await fetch(location.href, { headers: { Accept: 'text/html' }, cache: 'no-store' })
      if (!answer.ok) throw new Error(answer.statusText)
      const next = new DOMParser().parseFromString(await answer.text(), 'text/html')
      if (paused) return
      for (const part of parts()) {
        const fresh = next.getElementById(part.id)
        if (fresh && !isUsed(part)) part.replaceWith(document.adoptNode(fresh))
      }
      lost = false
      say('Updates itself')
    } catch {
      if (!lost) say('No answer from the log since ' + new Date().toISOString().slice(11, 19) + ' UTC')
      lost = true
    }
  }
  button.addEventListener('click', () => {
    paused = !paused
    button.textContent = paused ? 'Resume' : 'Pause'
    say(paused ? 'Paused' : 'Updates itself')
    look()
  })
  document.addEventListener('visibilitychange', look)
  bar.hidden = false
  setInterval(look, 5000)
})()
`
