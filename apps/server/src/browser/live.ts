// Runs in browsers, as it stands: no imports, no exports. Pages are whole without it.
//
// Keeps the live parts of a page (`data-live`, each with an id) as they are on the server: when the page's stream of events
// says that something changed, and every minute for the times on it, the page is asked for again and these parts replaced.

(() => {
  const CHANGED_MS = 400;
  const LEAST_BETWEEN_MS = 1_500;
  const TIMES_MS = 60_000;

  const address = document.body.dataset['events'];
  if (address === undefined) return;
  let wanted: number | undefined;
  let lastMs = 0;

  const refresh = async (): Promise<void> => {
    wanted = undefined;
    lastMs = Date.now();
    if (document.hidden) return;
    const response = await fetch(window.location.href, { headers: { accept: 'text/html' } });
    // Signed out meanwhile: the next click shows the sign-in.
    if (!response.ok || response.redirected) return;
    const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
    for (const part of document.querySelectorAll('[data-live]')) {
      // Nothing is taken from under the hands of who is at it, and nothing that was opened is closed.
      if (part.contains(document.activeElement) || part.querySelector('details[open]') !== null) continue;
      const next = fresh.getElementById(part.id);
      if (next !== null && next.innerHTML !== part.innerHTML) part.replaceChildren(...next.childNodes);
    }
  };
  const want = (): void => {
    const waitMs = Math.max(CHANGED_MS, lastMs + LEAST_BETWEEN_MS - Date.now());
    wanted ??= window.setTimeout(() => {
      // The server may be away for a moment: the next event, or minute, asks again.
      refresh().catch(() => undefined);
    }, waitMs);
  };

  const stream = new EventSource(address);
  stream.addEventListener('changed', want);
  window.setInterval(want, TIMES_MS);
  document.addEventListener('visibilitychange', want);
  window.addEventListener('pagehide', () => {
    stream.close();
  });
})();
